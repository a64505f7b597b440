"""What is said of an entry, and what can be done about it: a fact, which each door says in its own words."""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Self

from registry.base.errors import Malformed


class Advice(Enum):
    """What can be done."""

    GIVE_CREDENTIALS = auto()
    ADOPT_ALONE = auto()
    UPDATE = auto()
    PREFIX_NAMES = auto()
    PREFIX_ROUTES = auto()
    REGISTER_REMOTE = auto()
    MAP_NAMES = auto()


FOR_COMMANDS = {
    Advice.GIVE_CREDENTIALS: " (--user and --password)",
    Advice.ADOPT_ALONE: ", with --only {}",
    Advice.UPDATE: ": --update publishes these",
    Advice.PREFIX_NAMES: ": choose others with --name-prefix",
    Advice.PREFIX_ROUTES: ": choose others with --route-prefix",
    Advice.REGISTER_REMOTE: ", or register a single agent with `register NAME --remote URL`",
    Advice.MAP_NAMES: ". Map them with `sip map NAME /route`",
}


class Remark(str):  # noqa: SLOT000 - the facts stand beside the text
    """A remark as commands and the API make it. `advice`: what its end says; `about`: the route that it names."""

    text: str
    advice: Advice | None
    about: str

    def __new__(cls, text: str, advice: Advice | None = None, about: str = "") -> Self:
        """With the advice in the words of commands."""
        remark = super().__new__(cls, text + (FOR_COMMANDS[advice].format(about) if advice else ""))
        remark.text, remark.advice, remark.about = text, advice, about
        return remark

    def told(self, words: Mapping[Advice, str]) -> str:
        """The same with another door's words."""
        return self.text + (words[self.advice].format(self.about) if self.advice else "")


class NoServer(Malformed):
    """What was named is no AgentServer."""

    def __init__(self, remark: Remark):
        super().__init__(remark)
        self.remark = remark
