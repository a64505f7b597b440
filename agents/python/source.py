"""A Python agent's source: a class or a script of the SDK's, as its versions keep it."""

import re

from pydantic import Field, field_validator, model_validator

from agents.definition.parts import Object, Text, Word
from agents.sources import ElsewhereSource

CLASS_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\Z", re.ASCII)


class PythonSource(ElsewhereSource):
    """An `AgentBase` subclass, or what a script registers with the SDK's AgentServer at one of its routes."""

    KIND = "python"

    class_: Word | None = Field(None, alias="class", description="MODULE:CLASS, an AgentBase subclass")
    script: Word | None = Field(None, description="path of a script below a folder of AGENT_PATH")
    route: Word | None = Field(None, description="route at which the script registers the agent")
    arguments: Object = Field(default={}, description="keyword arguments of the class")
    code: Text = Field("", description="digest of the code that was seen (switchboard_host/survey.py)")

    @model_validator(mode="after")
    def one_of_two(self) -> "PythonSource":
        """A class, or a script and a route."""
        if (self.class_ is None) == (self.script is None):
            raise ValueError("needs a class (MODULE:CLASS), or a script and a route in it")
        if self.class_ is not None and self.route is not None:
            raise ValueError("a class has no route of its own: the agent is registered at one")
        if self.script is not None and self.route is None:
            raise ValueError("needs the route at which the script registers the agent")
        if self.script is not None and self.arguments:
            raise ValueError("a script makes its agents itself: it takes no arguments")
        return self

    @field_validator("class_")
    @classmethod
    def names_a_class(cls, name: str | None) -> str | None:
        """`package.module:Class`."""
        if name is not None and not CLASS_NAME.match(name):
            raise ValueError("must be MODULE:CLASS, such as fleet.sales:SalesAgent")
        return name

    @property
    def paths(self) -> frozenset[str]:
        """Those of its routing callbacks."""
        return frozenset(self.found.callbacks)

    def __str__(self) -> str:
        return self.class_ or f"{self.script} {self.route}"
