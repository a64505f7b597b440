"""What a remote agent's document says of it: its functions, and which addresses its server writes."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import ValidationError
from yarl import URL

from agents.remote.places import Place, origin_of, path_of, place_of, userinfo_pattern
from agents.sources import FoundFunction
from agents.wire import SUB_PATHS

URL_START = re.compile(r"https?://", re.IGNORECASE)
Slot = tuple[str, str]  # what a callback URL is for, in words, and the URL


def ai_of(document: dict[str, Any]) -> dict[str, Any]:
    """The document's `ai` verb, empty if it has none."""
    for verb in document["sections"]["main"]:
        if isinstance(verb, dict) and isinstance(verb.get("ai"), dict):
            found: dict[str, Any] = verb["ai"]
            return found
    return {}


def swaig_of(document: dict[str, Any]) -> dict[str, Any]:
    """Its SWAIG section, empty if it has none."""
    found = ai_of(document).get("SWAIG")
    return found if isinstance(found, dict) else {}


def entries_of(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Its functions with their names."""
    functions = swaig_of(document).get("functions")
    for entry in functions if isinstance(functions, list) else []:
        if isinstance(entry, dict) and isinstance(name := entry.get("function"), str) and name:
            yield name, entry


def slots_of(document: dict[str, Any]) -> list[Slot]:
    """The fields that hold URLs which the platform will call during a call."""
    ai = ai_of(document)
    params = ai.get("params")
    defaults = swaig_of(document).get("defaults")
    found = [(f"the function {name}", entry.get("web_hook_url")) for name, entry in entries_of(document)]
    found.append(("functions", defaults.get("web_hook_url") if isinstance(defaults, dict) else None))
    found.append(("the summary of a call", ai.get("post_prompt_url")))
    found.append(("debug events", params.get("debug_webhook_url") if isinstance(params, dict) else None))
    return [(what, url) for what, url in found if isinstance(url, str) and URL_START.match(url)]


class Own:
    """Tells which URLs of a document are its own server's.

    `upstream`: `user:password`, "" for none; `endpoint`: the URL that was asked.
    """

    def __init__(self, upstream: str, endpoint: str):
        self.upstream = upstream
        self.path = path_of(endpoint)
        self.place = place_of(endpoint)
        userinfo = userinfo_pattern(upstream) if upstream else rb"(?!)"
        self.with_user = re.compile(
            rb"(https?://)" + userinfo + rb"@((?:\[[0-9a-f:.]+\]|[\w.\-]+)(?::\d{1,5})?)", re.IGNORECASE
        )

    def origins(self, text: bytes, slots: Iterable[Slot]) -> set[str]:
        """The origins that a document, as `readable` gives it, writes as its own."""
        found = {origin_of((match[1] + match[2]).decode()) for match in self.with_user.finditer(text)}
        return found | {origin_of(url) for url in self.by_path(slots)}

    def by_path(self, slots: Iterable[Slot]) -> Iterator[str]:
        """Callback URLs with a token of the SDK's, or with the agent's own callback path on the same host."""
        for _, text in slots:
            try:
                parts = URL(text)
                place = place_of(text)
            except ValueError:
                continue
            head, _, last = parts.path.rstrip("/").rpartition("/")
            if last not in SUB_PATHS or place is None:
                continue
            same_host = self.place is not None and place.host == self.place.host
            if "__token" in parts.query or (head == self.path and (same_host or not self.upstream)):
                yield text


def functions_of(document: dict[str, Any], places: frozenset[Place], upstream: str) -> dict[str, FoundFunction]:
    """Its functions. `places`: all that is its own server's."""
    own = re.compile(rb"https?://" + userinfo_pattern(upstream) + rb"@", re.IGNORECASE) if upstream else None
    found = {}
    for name, entry in entries_of(document):
        url = entry.get("web_hook_url")
        ours = not isinstance(url, str) or place_of(url) in places or bool(own and own.match(url.encode()))
        runs_here = ours and "data_map" not in entry
        # The SDK calls them `parameters`; the older `argument` is the same.
        parameters = entry.get("parameters", entry.get("argument"))
        description = entry.get("description", entry.get("purpose"))
        try:
            found[name] = FoundFunction(
                description=description if isinstance(description, str) else "",
                parameters=parameters if isinstance(parameters, dict) else {},
                secure=runs_here and isinstance(url, str) and "token=" in url,
                runs_here=runs_here,
            )
        except ValidationError:  # something that cannot be kept is in it
            found[name] = FoundFunction(secure=True, runs_here=runs_here)
    return found
