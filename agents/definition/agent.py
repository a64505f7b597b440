"""The whole of a definition, read from JSON or YAML with every problem named by its field."""

from typing import Any, ClassVar

import orjson
from pydantic import Field, ValidationError, field_validator, model_validator

from agents.definition.contexts import STEP_FUNCTIONS, step_functions
from agents.definition.functions import FUNCTION_NAME, TAGS, Function, Webhook, WebhookHandler, outcomes
from agents.definition.parts import (
    UNION_TAGS,
    FieldError,
    Fillers,
    FlagOrObject,
    Object,
    Part,
    Text,
    Verb,
    Word,
    check_tree,
)
from agents.definition.prompts import PostPrompt, Prompt
from agents.definition.speech import Hint, Language, Pronunciation
from agents.definition.variables import VARIABLE, variables
from agents.errors import InvalidDefinition

MAX_DEFINITION_BYTES = 512 * 1024  # a document is spoken to a model: ten times the largest known prompt
MAX_DEPTH = 100  # a document adds 7 levels, and the JSON writers (pydantic, orjson) give up at 254
RECORD_CALL: dict[str, Any] = {"format": "mp4", "stereo": True}  # the SDK's defaults
# Before the call is answered only these make sense (the SDK's list); play and connect answer unless told not to.
PRE_ANSWER_VERBS = frozenset(
    [
        "cond",
        "eval",
        "execute",
        "goto",
        "hangup",
        "if",
        "label",
        "request",
        "return",
        "send_sms",
        "set",
        "sleep",
        "stop_denoise",
        "stop_record_call",
        "stop_tap",
        "switch",
        "transfer",
        "unset",
    ]
)
ANSWERING_VERBS = frozenset({"play", "connect"})


class Include(Part):
    """Functions that another SWAIG server defines."""

    url: Word = Field(description="The server's URL")
    functions: list[Word] = Field(min_length=1, description="Names of the functions wanted")
    meta_data: Object = Field(default={}, description="Data that comes with each call of them")


class McpServer(Part):
    """An MCP server whose tools the platform adds to the agent."""

    url: Word = Field(description="The server's URL")
    headers: dict[Word, Text] = Field(default={}, description="Sent with each request; secrets as env:NAME")
    resources: bool = Field(False, description="Fetch its resources into global_data")
    resource_vars: dict[Word, Text] = Field(default={}, description="Variables of its resources' URIs")


class AgentDefinition(Part):
    """All that a stored agent is. Read it from JSON or YAML with `AgentDefinition.read`."""

    KIND: ClassVar[str] = "stored"

    prompt: Prompt = Field(description="What the model is told")
    post_prompt: PostPrompt | None = Field(None, description="Asked when the call has ended")
    post_prompt_url: Word | None = Field(None, description="Gets the answer to that instead of us")
    languages: list[Language] = Field(default=[], description="Languages and voices")
    multilingual: Object = Field(default={}, description="SWML's multilingual mode, verbatim; replaces languages")
    hints: list[Hint] = Field(default=[], description="Words that speech recognition should expect")
    pronounce: list[Pronunciation] = Field(default=[], description="How words are said")
    params: Object = Field(default={}, description="Parameters of SWML's ai verb")
    global_data: Object = Field(default={}, description="Data that functions and prompts can read")
    native_functions: list[Word] = Field(default=[], description="Functions of the platform, such as check_time")
    includes: list[Include] = Field(default=[], description="Functions that other SWAIG servers define")
    mcp_servers: list[McpServer] = Field(default=[], description="MCP servers whose tools are added")
    internal_fillers: dict[Word, Fillers] = Field(default={}, description="Said during functions of the platform")
    functions: dict[str, Function] = Field(default={}, description="SWAIG functions by name")
    web_hook_url: Word | None = Field(None, description="Answers direct functions that have no URL of their own")
    safe_line: Text | None = Field(None, min_length=1, description="What a function says when it fails on our side")
    debug_events: int | None = Field(None, ge=1, le=2, description="Level of the platform's debug events for the log")
    mcp: bool = Field(False, description="Offer the functions as MCP tools at <route>/mcp")
    pre_answer: list[Verb] = Field(default=[], description="SWML verbs before the call is answered")
    auto_answer: bool = Field(True, description="Answer the call")
    answer: Object = Field(default={}, description="Parameters of the answer verb, such as {max_duration: 3600}")
    record_call: FlagOrObject = Field(False, description="Record the call: true, or the verb's parameters")
    post_answer: list[Verb] = Field(default=[], description="SWML verbs after the answer and before the conversation")
    post_ai: list[Verb] = Field(default=[], description="SWML verbs after the conversation")
    sections: dict[Word, list[Verb]] = Field(default={}, description="More sections of the document, by name")

    @field_validator("post_prompt", mode="before")
    @classmethod
    def plain_text(cls, value: Any) -> Any:
        """`post_prompt: Summarise …` is short for `post_prompt: {text: Summarise …}`."""
        return {"text": value} if isinstance(value, str) else value

    @field_validator("functions")
    @classmethod
    def callable_names(cls, functions: dict[str, Function]) -> dict[str, Function]:
        """The platform calls functions by names of this form (the SDK's own pattern)."""
        for name in functions:
            if not FUNCTION_NAME.match(name):
                raise ValueError(f"{name!r} is not a function name: letters, digits and _ only, no digit first")
        return functions

    @field_validator("pre_answer")
    @classmethod
    def still_ringing(cls, verbs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Before the answer there is nobody to hear anything."""
        for number, verb in enumerate(verbs):
            (word, about), *_ = verb.items()
            if word in ANSWERING_VERBS:
                if not isinstance(about, dict) or about.get("auto_answer") is not False:
                    raise FieldError(f"{number}.{word}", "would answer the call: add auto_answer: false")
            elif word not in PRE_ANSWER_VERBS:
                raise FieldError(f"{number}.{word}", "cannot run before the call is answered: move it to post_answer")
        return verbs

    @field_validator("sections")
    @classmethod
    def other_sections(cls, sections: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """The section `main` is what the rest of the definition makes."""
        if "main" in sections:
            raise FieldError("main", "is made from the rest of the definition: use pre_answer, post_answer, post_ai")
        return sections

    @model_validator(mode="after")
    def parts_fit(self) -> "AgentDefinition":
        """What one field says of another must be so."""
        for path, name in step_functions(self.prompt.contexts):
            if name not in self.functions and name not in STEP_FUNCTIONS and not self.functions_from_elsewhere():
                raise FieldError(path, f"there is no function {name!r}")
        for name, function in self.functions.items():
            if self.prompt.contexts and name in STEP_FUNCTIONS:
                raise FieldError(f"functions.{name}", "has the name of a function that the platform adds to steps")
            webhook = webhook_of(function)
            if webhook is not None and webhook.url is None and self.web_hook_url is None:
                raise FieldError(f"functions.{name}.handler.webhook.url", "is missing, and there is no web_hook_url")
        if self.post_prompt_url is not None and self.post_prompt is None:
            raise FieldError("post_prompt_url", "is of no use without a post_prompt")
        if self.answer and not self.auto_answer:
            raise FieldError("answer", "is of no use with auto_answer: false")
        return self

    def functions_from_elsewhere(self) -> bool:
        """Whether functions may come that are not defined here."""
        return bool(self.includes or self.mcp_servers or self.native_functions)

    @classmethod
    def read(cls, value: Any) -> "AgentDefinition":
        """Check a definition; `InvalidDefinition` lists every problem with the path of its field."""
        if deeper_than(MAX_DEPTH, value):
            raise InvalidDefinition({"definition": f"is nested too deeply: more than {MAX_DEPTH} levels"})
        try:
            definition = cls.model_validate(value)
        except ValidationError as error:
            raise InvalidDefinition(problems_of(error)) from None
        stored = definition.stored()
        try:
            size = len(orjson.dumps(stored))
        except orjson.JSONEncodeError as error:  # a number of more than 64 bits
            raise InvalidDefinition(not_json(stored) or {"definition": str(error)}) from None
        if size > MAX_DEFINITION_BYTES:
            raise InvalidDefinition({"definition": f"has {size:,} bytes, more than {MAX_DEFINITION_BYTES:,}"})
        return definition

    def stored(self) -> dict[str, Any]:
        """The JSON form that is kept: what was given, without defaults."""
        return self.given()

    def transfer_targets(self) -> dict[str, set[str]]:
        """Names of the agents that functions transfer to, by function."""
        found = {
            name: {outcome.transfer for outcome in outcomes(function.handler).values() if outcome.transfer}
            for name, function in self.functions.items()
        }
        return {name: targets for name, targets in found.items() if targets}

    def webhook_urls(self) -> dict[str, str]:
        """Where we ask for the answers of functions, by function; references to variables are left out."""
        found = {name: webhook_of(function) for name, function in self.functions.items()}
        return {
            name: webhook.url
            for name, webhook in found.items()
            if webhook and webhook.url and not webhook.direct and not VARIABLE.match(webhook.url)
        }

    def variables(self) -> dict[str, str]:
        """The environment variables that it refers to, by the path of the field that does."""
        return dict(variables(self.stored()))


def webhook_of(function: Function) -> Webhook | None:
    """A function's webhook, if that is its handler."""
    return function.handler.webhook if isinstance(function.handler, WebhookHandler) else None


def deeper_than(levels: int, value: Any) -> bool:
    """Whether objects and lists are nested inside each other in more levels than these."""
    if not isinstance(value, (dict, list)):
        return False
    items = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(deeper_than(levels - 1, item) for item in items)


def not_json(stored: dict[str, Any]) -> dict[str, str]:
    """The first field whose value JSON cannot hold, and why."""
    try:
        check_tree(stored, ())
    except FieldError as error:
        return {error.path: str(error)}
    return {}


def problems_of(error: ValidationError) -> dict[str, str]:
    """Pydantic's errors as {field path: what is wrong}, in the words of the definition."""
    problems: dict[str, str] = {}
    for problem in error.errors(include_url=False, include_input=False):
        parts = [str(part) for part in problem["loc"] if part not in (*TAGS, *UNION_TAGS)]
        cause = problem.get("ctx", {}).get("error")
        if isinstance(cause, FieldError) and cause.path:
            parts.append(cause.path)
        message = str(cause) if problem["type"] == "value_error" else problem["msg"]
        problems[".".join(parts) or "definition"] = {
            "extra_forbidden": "is not a word of a definition",
            "missing": "is missing",
            "union_tag_invalid": "has the wrong type",
            "model_type": "must be an object",
            "string_too_short": "must not be empty",
            "too_short": "must not be empty",
        }.get(problem["type"], message[:1].lower() + message[1:])
    return problems
