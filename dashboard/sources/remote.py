"""The form of a remote server: its URL, further ones, time-outs."""

from collections.abc import Mapping
from typing import Any

from agents.remote.source import RemoteSource
from dashboard.sources.form import Typed, number_of
from registry.base.errors import Malformed


class RemoteForm:
    """`templates/parts/sources/remote.html`."""

    title = "Remote server"
    hint = "by URL"
    lines: tuple[str, ...] = (
        "url",
        "server_user",
        "server_password",
        "seconds",
        "document_seconds",
        "keep_last_document",
    )
    texts: tuple[str, ...] = ("more_urls",)
    main: tuple[str, ...] = ("url",)
    places: Mapping[str, str] = {"keep_last_document": "url", "user": "server"}

    def typed(self, source: RemoteSource) -> dict[str, str]:
        """The fields as somebody would have typed what is kept."""
        texts = {
            "url": source.url,
            "more_urls": "\n".join(source.more_urls),
            "seconds": f"{source.seconds:g}",
            "document_seconds": f"{source.document_seconds:g}",
        }
        return texts | ({"keep_last_document": "on"} if source.keep_last_document else {})

    def value(self, typed: Typed) -> dict[str, Any]:
        """A URL, further ones, and options that were given."""
        if not typed.text("url"):
            raise Malformed("give the URL", problems={"url": "Give the agent's URL on its server."})
        more = [line.strip() for line in typed.text("more_urls").splitlines() if line.strip()]
        found: dict[str, Any] = {"url": typed.text("url")} | ({"more_urls": more} if more else {})
        for name in ("seconds", "document_seconds"):
            if text := typed.text(name):
                found[name] = number_of(name, text)
        return found | ({"keep_last_document": True} if typed.text("keep_last_document") else {})
