"""What people give of a Python agent when they register one, as the API takes it."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from agents.sources import MAX_WORD, validate_arguments


class PythonIn(BaseModel):
    """An `AgentBase` subclass, or what a script of the SDK's AgentServer registers at one of its routes."""

    model_config = ConfigDict(extra="forbid")

    validate_arguments: bool = validate_arguments()
    class_: str | None = Field(None, alias="class", max_length=MAX_WORD, description="MODULE:CLASS, in AGENT_PATH")
    arguments: dict[str, Any] = Field(
        default_factory=dict, description="keyword arguments of the class; kept and shown in the clear: no secrets"
    )
    script: str | None = Field(None, max_length=MAX_WORD, description="path of a script below a folder of AGENT_PATH")
    route: str | None = Field(None, max_length=200, description="route at which the script registers the agent")
