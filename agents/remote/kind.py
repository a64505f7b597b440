"""Remote agents as a kind: servers elsewhere, which are asked once to see what they are."""

from collections.abc import Iterator
from typing import Any

from agents.elsewhere import ElsewhereKind
from agents.kind import Fact, Seen, Surroundings
from agents.remote.body import RemoteIn
from agents.remote.probe import probe
from agents.remote.source import RemoteSource


class RemoteKind(ElsewhereKind[RemoteSource]):
    """A server's agent, at one or several endpoints."""

    word = RemoteSource.KIND
    label = "Remote"
    icon = "globe"
    model = RemoteSource
    body = RemoteIn
    body_help = "instead of a definition; at an address that is not public it needs the level admin"
    shown_help = "URLs and limits; never its credentials"
    has_upstream = True
    answerer = "remote"
    how_to_offer_mcp = "its server has to offer it; then reload the agent"
    patience = "Still asking its server."
    waits = "Asking the server …"
    same = "its server says the same"
    renders = "its server renders the document"
    look = "Its server is asked;"
    reload_help = (
        "It is asked for its document again: what has changed of its functions and addresses becomes the next version."
    )

    def inspect(self, source: RemoteSource, around: Surroundings) -> Seen:
        """Ask every endpoint for its document."""
        upstream = around.upstream(source.endpoints)
        probed = probe(source, upstream, around.reach(), may_be_private=around.may_run_code)
        return Seen(probed.source, warnings=probed.warnings, claims=tuple(probed.source.found.sip))

    def fault_at(self, source: RemoteSource) -> str:
        """The URL."""
        return "remote.url"

    def servers(self, value: Any) -> list[str]:
        """All endpoints."""
        inner = self.inner(value)
        return [inner["url"], *inner.get("more_urls", [])]

    def first_facts(self, source: RemoteSource) -> Iterator[Fact]:
        """That it answers, and how it is reached."""
        count = len(source.endpoints)
        each = "It answers" if count == 1 else f"All {count} endpoints answer"
        yield Fact("ok", f"{each} with a SWML document, the credentials are accepted.")
        encrypted = sum(url.lower().startswith("https:") for url in source.endpoints)
        if encrypted:
            yield Fact("ok", f"TLS with a good certificate: {encrypted} of {count}.")
        else:
            yield Fact("", "It is asked without TLS: whoever is on the way can read along.")
        if others := [origin for origin in source.found.origins if not source.url.startswith(origin)]:
            yield Fact("", f"Its documents name {', '.join(others)}; callers get our address instead.")

    def answered_by(self, source: RemoteSource) -> str:
        """What answers its functions, in words."""
        return f"Asked at {source.url}"


REMOTE = RemoteKind()
