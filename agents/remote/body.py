"""What people give of a remote agent when they register one, as the API takes it."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agents.remote.source import MAX_ENDPOINTS
from agents.sources import MAX_WORD, validate_arguments

Seconds = Annotated[float, Field(gt=0, le=110)]


class RemoteIn(BaseModel):
    """A SWML server elsewhere. What is left out of user and password stays as it is; null: it wants none."""

    model_config = ConfigDict(extra="forbid")

    validate_arguments: bool = validate_arguments()
    url: str = Field(max_length=MAX_WORD, description="the agent's URL on its server, without credentials")
    more_urls: list[str] = Field(
        default_factory=list, max_length=MAX_ENDPOINTS - 1, description="further instances of the same agent"
    )
    user: str | None = Field(None, max_length=200, description="with which the server is asked; never shown again")
    password: str | None = Field(None, max_length=1000)
    seconds: Seconds = Field(100, description="for a function or another request of a call to answer")
    document_seconds: Seconds = Field(15, description="for a document")
    keep_last_document: bool = Field(
        False, description="serve the last good document while the server is down; it may hold another caller's data"
    )

    @model_validator(mode="after")
    def both_or_none(self) -> Self:
        """A user without a password is a mistake."""
        if bool(self.user) != bool(self.password):
            raise ValueError("a user and a password go together")
        return self
