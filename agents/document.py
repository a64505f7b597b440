"""From a definition to its SWML document: rendered and cut once per version, spliced per call."""

import secrets
from typing import Any

import orjson

from agents.definition import AgentDefinition, Function, Language, Section
from agents.tokens import FOR_DEFAULTS, FOR_POST_PROMPT, for_function

SWML_VERSION = "1.0.0"
# Stands in the rendered document where the agent's URL goes, and a token before its number. Not to be guessed, so that
# no definition can contain it.
MARK = secrets.token_hex(16)
MAX_PREFIXES = 16  # a document remembers its form for this many public URLs


def render(definition: AgentDefinition, url: str, token_of: dict[bytes, str]) -> dict[str, Any]:
    """The whole document; key order as in the SDK (CONTRACT.md, 3).

    `url` is the agent's own, with credentials and without a slash at its end; `token_of` maps purposes to tokens.
    """
    ai: dict[str, Any] = {"prompt": render_prompt(definition)}
    if definition.post_prompt:
        ai["post_prompt"] = {"text": definition.post_prompt.text}
        ai["post_prompt_url"] = f"{url}/post_prompt/?__token={token_of[FOR_POST_PROMPT]}"
    if definition.functions:
        ai["SWAIG"] = {
            "functions": [
                render_function(name, function, url, token_of) for name, function in definition.functions.items()
            ],
            "defaults": {"web_hook_url": f"{url}/swaig/?__token={token_of[FOR_DEFAULTS]}"},
        }
    ai["params"] = definition.params
    if definition.hints:
        ai["hints"] = definition.hints
    if definition.languages:
        ai["languages"] = [render_language(language) for language in definition.languages]
    if definition.global_data:
        ai["global_data"] = definition.global_data
    return document({"answer": {}}, {"ai": ai})


def document(*verbs: dict[str, Any]) -> dict[str, Any]:
    """A SWML document of one section."""
    return {"version": SWML_VERSION, "sections": {"main": list(verbs)}}


def render_prompt(definition: AgentDefinition) -> dict[str, Any]:
    """`{"text": …}` or `{"pom": […]}`."""
    prompt = definition.prompt
    if prompt.text is not None:
        return {"text": prompt.text}
    return {"pom": [render_section(section) for section in prompt.sections]}


def render_section(section: Section) -> dict[str, Any]:
    """A section of the POM, with what is set."""
    return section.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def render_language(language: Language) -> dict[str, str]:
    """`engine.voice:model` is split, as the SDK does; any other voice stays whole."""
    engine, _, rest = language.voice.partition(".")
    voice, _, model = rest.partition(":")
    if not (engine and voice and model):
        return {"name": language.name, "code": language.code, "voice": language.voice}
    return {"name": language.name, "code": language.code, "voice": voice, "engine": engine, "model": model}


def render_function(name: str, function: Function, url: str, token_of: dict[bytes, str]) -> dict[str, Any]:
    """An entry of SWAIG.functions; insecure ones have no URL of their own."""
    entry: dict[str, Any] = {"function": name, "description": function.description, "parameters": function.parameters}
    if function.secure:
        entry["web_hook_url"] = f"{url}/swaig/?__token={token_of[for_function(name)]}"
    return entry


def purposes(definition: AgentDefinition) -> list[bytes]:
    """What tokens are needed for, in the order of the document."""
    found = [FOR_POST_PROMPT] if definition.post_prompt else []
    if definition.functions:
        found += [for_function(name) for name, function in definition.functions.items() if function.secure]
        found.append(FOR_DEFAULTS)
    return found


class PreparedDocument:
    """A document as bytes, cut where URLs and tokens go."""

    __slots__ = ("by_url", "purposes", "raw")

    def __init__(self, definition: AgentDefinition):
        self.purposes = purposes(definition)
        marks = dict.fromkeys(self.purposes, f"{MARK}T")
        self.raw = orjson.dumps(render(definition, f"{MARK}U", marks))
        self.by_url: dict[bytes, tuple[bytes, ...]] = {}

    def splice(self, url: bytes, tokens: list[bytes]) -> bytes:
        """The document for an agent's public URL (with credentials) and one token for each of `purposes`.

        The tokens must be in the order in which the document has them. The form for each URL is kept, because a
        server has one or two; a fleet with more forgets them all and starts again.
        """
        cut = self.by_url.get(url)
        if cut is None:
            cut = tuple(self.raw.replace(f"{MARK}U".encode(), json_text(url)).split(f"{MARK}T".encode()))
            if len(self.by_url) >= MAX_PREFIXES:
                self.by_url = {}
            self.by_url[url] = cut
        if len(cut) == 1:
            return cut[0]
        pieces = [cut[0]]
        for token, literal in zip(tokens, cut[1:], strict=True):
            pieces += (token, literal)
        return b"".join(pieces)


def json_text(url: bytes) -> bytes:
    """A URL as it stands between the quotes of a JSON string."""
    return orjson.dumps(url.decode())[1:-1]


def pause_document(message: str) -> bytes:
    """What a paused agent answers to a new call: the message, then the end."""
    return orjson.dumps(document({"answer": {}}, {"play": {"url": f"say:{message}"}}, {"hangup": {}}))
