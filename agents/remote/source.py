"""A remote agent's source: the URLs of its server, as its versions keep them."""

from pydantic import Field, field_validator, model_validator
from yarl import URL

from agents.definition.parts import Word
from agents.sources import ElsewhereSource

MAX_ENDPOINTS = 16


class RemoteSource(ElsewhereSource):
    """A SWML server elsewhere, at one or several equal endpoints."""

    KIND = "remote"

    url: Word = Field(description="the agent's URL on its server, without credentials: http://host:3000/sales")
    more_urls: list[Word] = Field(
        default=[], max_length=MAX_ENDPOINTS - 1, description="further instances of the same agent"
    )
    seconds: float = Field(100, gt=0, le=110, description="for a function or another request of a call to answer")
    document_seconds: float = Field(15, gt=0, le=110, description="for a document")
    keep_last_document: bool = Field(
        False, description="serve the last good document while the server is down; it may hold another caller's data"
    )

    @property
    def endpoints(self) -> list[str]:
        """All URLs, in their order."""
        return [self.url, *self.more_urls]

    @field_validator("url")
    @classmethod
    def without_credentials(cls, url: str) -> str:
        """An http(s) URL without userinfo, query and fragment, and without a slash at its end."""
        return checked_url(url)

    @field_validator("more_urls")
    @classmethod
    def all_without(cls, urls: list[str]) -> list[str]:
        """The same for each."""
        return [checked_url(url) for url in urls]

    @model_validator(mode="after")
    def all_different(self) -> "RemoteSource":
        """An endpoint counts once."""
        if len(set(self.endpoints)) != len(self.endpoints):
            raise ValueError("duplicate URL")
        return self

    def __str__(self) -> str:
        return self.url


def checked_url(url: str) -> str:
    """An endpoint's URL as it is kept; `ValueError` says what is wrong, and never repeats a password."""
    if "@" in url:
        raise ValueError("must not contain a user and password: they are given apart, and kept encrypted")
    if not url.lower().startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    if " " in url or not url.isprintable() or "?" in url or "#" in url:
        raise ValueError("must be a plain address, without spaces, query and fragment")
    try:
        parts = URL(url)
        good = bool(parts.host) and parts.port is not None
    except ValueError:
        good = False
    if not good:
        raise ValueError("its host or port cannot be understood; a port is a number from 1 to 65535")
    return url.rstrip("/")
