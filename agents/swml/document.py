"""From a definition to its SWML document: rendered and cut once per version, spliced per call."""

import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from agents.definition import (
    AgentDefinition,
    Context,
    ContextStep,
    DataMapHandler,
    Function,
    Language,
    PostPrompt,
    Section,
    WebhookHandler,
)
from agents.definition.agent import RECORD_CALL
from agents.definition.variables import resolve
from agents.tokens import FOR_DEFAULTS, FOR_POST_PROMPT, Key, for_function

SWML_VERSION = "1.0.0"
# Stands in the rendered document where the agent's URL goes, the server's, and a token. Not to be guessed, so that no
# definition can contain it.
MARK = secrets.token_hex(16)
URL_MARK, BASE_MARK, TOKEN_MARK = f"{MARK}U", f"{MARK}B", f"{MARK}T"
FULL_URL = ("http://", "https://", "//", "env:", "$", "%")  # of a wait_file; anything else is a path on our host


class Urls(NamedTuple):
    """What a document's URLs begin with; no slash at the end."""

    agent: str  # with credentials
    base: str  # the server's, without


# For documents that nobody is going to call back: checks and comparisons.
EXAMPLE_URLS = Urls("https://user:password@agent.invalid/route", "https://agent.invalid")


class AnyToken(dict[bytes, str]):
    """Stands for every token in such a document."""

    def __missing__(self, _purpose: bytes) -> str:
        return "token"


def render(definition: AgentDefinition, urls: Urls, token_of: Mapping[bytes, str]) -> dict[str, Any]:
    """The whole document; `token_of` maps purposes to tokens."""
    rendered = document(*[verb for _, verb in main_section(definition, urls, token_of)])
    rendered["sections"].update(definition.sections)
    return rendered


def main_section(
    definition: AgentDefinition, urls: Urls, token_of: Mapping[bytes, str]
) -> list[tuple[str, dict[str, Any]]]:
    """The verbs of the section `main`, each with the path of the field that it comes from (docs/contract.md, 3.1)."""
    verbs = [(f"pre_answer.{number}", verb) for number, verb in enumerate(definition.pre_answer)]
    if definition.auto_answer:
        verbs.append(("answer", {"answer": definition.answer}))
    if definition.record_call is not False:
        verbs.append(
            ("record_call", {"record_call": RECORD_CALL if definition.record_call is True else definition.record_call})
        )
    verbs += [(f"post_answer.{number}", verb) for number, verb in enumerate(definition.post_answer)]
    verbs.append(("ai", {"ai": render_ai(definition, urls, token_of)}))
    verbs += [(f"post_ai.{number}", verb) for number, verb in enumerate(definition.post_ai)]
    return verbs


def render_ai(definition: AgentDefinition, urls: Urls, token_of: Mapping[bytes, str]) -> dict[str, Any]:
    """The `ai` verb; key order as in the SDK."""
    ai: dict[str, Any] = {"prompt": render_prompt(definition)}
    if definition.post_prompt:
        ai["post_prompt"] = {**words_or_sections(definition.post_prompt), **definition.post_prompt.model_words()}
        ai["post_prompt_url"] = (
            definition.post_prompt_url or f"{urls.agent}/post_prompt/?__token={token_of[FOR_POST_PROMPT]}"
        )
    if swaig := render_swaig(definition, urls, token_of):
        ai["SWAIG"] = swaig
    ai["params"] = definition.params
    if definition.debug_events is not None:
        ai["params"] = {
            **definition.params,
            "debug_webhook_url": f"{urls.agent}/debug_events/",
            "debug_webhook_level": definition.debug_events,
        }
    optional = {
        "hints": [hint if isinstance(hint, str) else hint.model_dump() for hint in definition.hints],
        "languages": [render_language(language) for language in definition.languages],
        "multilingual": definition.multilingual,
        "pronounce": [rule.given() for rule in definition.pronounce],
        "global_data": definition.global_data,
    }
    return {**ai, **{word: value for word, value in optional.items() if value}}


def document(*verbs: dict[str, Any]) -> dict[str, Any]:
    """A SWML document of one section."""
    return {"version": SWML_VERSION, "sections": {"main": list(verbs)}}


def render_prompt(definition: AgentDefinition) -> dict[str, Any]:
    """`{"text": …}` or `{"pom": […]}`, contexts, and the model's knobs."""
    prompt = definition.prompt
    rendered = words_or_sections(prompt)
    if prompt.contexts:
        rendered["contexts"] = {name: render_context(context) for name, context in prompt.contexts.items()}
    return {**rendered, **prompt.model_words()}


def words_or_sections(prompt: PostPrompt | ContextStep) -> dict[str, Any]:
    """One text, or sections."""
    return {"text": prompt.text} if prompt.text is not None else {"pom": render_sections(prompt.sections)}


def render_sections(sections: list[Section]) -> list[dict[str, Any]]:
    """Sections of the POM, with what is set."""
    return [section.given() for section in sections]


def render_context(context: Context) -> dict[str, Any]:
    """A context with its steps."""
    steps = []
    for step in context.steps:
        words = step.given()
        words.pop("sections", None)
        steps.append({"name": words.pop("name"), **words_or_sections(step), **words})
    rendered = {**context.given(), "steps": steps}
    if rendered.pop("sections", None):
        rendered["pom"] = render_sections(context.sections)
    return rendered


def render_language(language: Language) -> dict[str, Any]:
    """`engine.voice:model` is split, as the SDK does; any other voice stays whole."""
    words = language.given()
    if not language.engine and not language.model and "." in language.voice and ":" in language.voice:
        engine, _, rest = language.voice.partition(".")
        voice, _, model = rest.partition(":")
        if engine and voice and model and ":" not in engine:
            words |= {"voice": voice, "engine": engine, "model": model}
    if language.speech_fillers and language.function_fillers:
        return words
    # The SDK writes the older form if there is one kind of fillers only.
    only = words.pop("speech_fillers", None) or words.pop("function_fillers", None)
    return {**words, "fillers": only} if only else words


def render_swaig(definition: AgentDefinition, urls: Urls, token_of: Mapping[bytes, str]) -> dict[str, Any]:
    """The functions and what goes with them; nothing if there are none."""
    swaig: dict[str, Any] = {}
    if definition.native_functions:
        swaig["native_functions"] = definition.native_functions
    if definition.includes:
        swaig["includes"] = [include.given() for include in definition.includes]
    if definition.internal_fillers:
        swaig["internal_fillers"] = definition.internal_fillers
    if definition.functions:
        ours = f"{urls.agent}/swaig/?__token={token_of[FOR_DEFAULTS]}"
        swaig["functions"] = [
            render_function(name, function, urls, token_of, ours if definition.web_hook_url else None)
            for name, function in definition.functions.items()
        ]
        swaig["defaults"] = {"web_hook_url": definition.web_hook_url or ours}
    if definition.mcp_servers:
        swaig["mcp_servers"] = [server.given() for server in definition.mcp_servers]
    return swaig


def render_function(
    name: str, function: Function, urls: Urls, token_of: Mapping[bytes, str], insecure_url: str | None
) -> dict[str, Any]:
    """An entry of SWAIG.functions. Insecure ones have no URL of their own, unless the default one is not ours."""
    entry: dict[str, Any] = {"function": name, "description": function.description, "parameters": function.parameters}
    words = function.model_dump(
        mode="json",
        exclude_defaults=True,
        exclude_none=True,
        exclude={"description", "parameters", "handler", "secure", "wait_file"},
    )
    if function.wait_file:
        entry["wait_file"] = wait_file(function.wait_file, urls.base)
    for word in ("fillers", "wait_file_loops"):  # the SDK's order
        if word in words:
            entry[word] = words.pop(word)
    handler = function.handler
    if isinstance(handler, DataMapHandler):
        entry["data_map"] = handler.data_map
    elif isinstance(handler, WebhookHandler) and handler.webhook.direct:
        webhook = handler.webhook
        direct = {"url": webhook.url, "auth_user": webhook.auth_user, "auth_password": webhook.auth_password}
        entry |= {f"web_hook_{word}": value for word, value in direct.items() if value is not None}
    elif function.secure:
        entry["web_hook_url"] = f"{urls.agent}/swaig/?__token={token_of[for_function(name)]}"
    elif insecure_url is not None:
        entry["web_hook_url"] = insecure_url
    return {**entry, **words}


def wait_file(given: str, base: str) -> str:
    """A full URL as it is; a path belongs to our public host, as in the SDK."""
    if given.startswith(FULL_URL):
        return given
    return f"{base}{given}" if given.startswith("/") else f"{base}/{given}"


class PreparedDocument:
    """A document as bytes, cut where URLs and tokens go.

    `environment`: the variables that the definition may refer to. `purposes`: what the document has tokens for, in its
    order; most are there once, the one of the defaults may be there for several functions.
    """

    __slots__ = ("cut", "digest", "purposes", "raw", "url")

    def __init__(self, definition: AgentDefinition, environment: Mapping[str, str]):
        marks = Marks()
        rendered = render(definition, Urls(URL_MARK, BASE_MARK), marks)
        raw = orjson.dumps(rendered)
        if b"env:" in raw:
            raw = orjson.dumps(resolve(rendered, environment))
        # The marks say where in the text each token goes; what was rendered first need not stand first.
        pieces = raw.split(TOKEN_MARK.encode())
        self.purposes = tuple(marks.purposes[int(piece[:MARK_DIGITS])] for piece in pieces[1:])
        self.raw = TOKEN_MARK.encode().join([pieces[0], *(piece[MARK_DIGITS:] for piece in pieces[1:])])
        self.url = b""
        self.cut: tuple[bytes, ...] = ()
        self.digest = ""  # once somebody has asked for the document

    def digested(self, key: Key) -> str:
        """The digest of all its forms, which differ in URLs and tokens only; kept."""
        bare = self.raw
        for mark in (f"?__token={TOKEN_MARK}", URL_MARK, BASE_MARK):
            bare = bare.replace(mark.encode(), b"")
        self.digest = key.digest(bare)
        return self.digest

    def splice(self, url: bytes, base: bytes, tokens: list[bytes]) -> bytes:
        """The document for an agent's public URL (with credentials) and one token for each of `purposes`.

        The tokens must be in the order in which the document has them. `base` is the server's URL, without
        credentials, and goes with `url`. The form for the last URL is kept, because a server has one: another one
        costs a few microseconds.
        """
        if url == self.url:
            cut = self.cut
        else:
            filled = self.raw.replace(URL_MARK.encode(), json_text(url)).replace(BASE_MARK.encode(), json_text(base))
            self.cut = cut = tuple(filled.split(TOKEN_MARK.encode()))
            self.url = url
        if len(cut) == 1:
            return cut[0]
        pieces = [cut[0]]
        for token, literal in zip(tokens, cut[1:], strict=True):
            pieces += (token, literal)
        return b"".join(pieces)


MARK_DIGITS = 4


class Marks(dict[bytes, str]):
    """Tokens' places: the first time a purpose is asked for, it gets a mark with a number."""

    def __init__(self) -> None:
        self.purposes: list[bytes] = []

    def __missing__(self, purpose: bytes) -> str:
        mark = self[purpose] = f"{TOKEN_MARK}{len(self.purposes):0{MARK_DIGITS}}"
        self.purposes.append(purpose)
        return mark


def json_text(url: bytes) -> bytes:
    """A URL as it stands between the quotes of a JSON string."""
    return orjson.dumps(url.decode())[1:-1]


def pause_document(message: str) -> bytes:
    """What a paused agent answers to a new call: the message, then the end."""
    return orjson.dumps(document({"answer": {}}, {"play": {"url": f"say:{message}"}}, {"hangup": {}}))
