"""The definition of a stored agent, in SWML's own words (https://developer.signalwire.com/swml/methods/ai)."""

import math
import re
from typing import Annotated, Any

import jsonschema_rs
import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from agents.errors import InvalidDefinition
from agents.templating import Template

FUNCTION_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
MAX_DEFINITION_BYTES = 512 * 1024  # a document is spoken to a model: ten times the largest known prompt
MAX_DEPTH = 100  # a document adds 7 levels, and the JSON writers (pydantic, orjson) give up at 254
NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}


def storable(text: str) -> str:
    """Text that Postgres and UTF-8 can hold: no NUL, no lone surrogate."""
    if "\0" in text:
        raise ValueError("must not contain the NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must not contain half of a surrogate pair") from None
    return text


def storable_tree(value: Any) -> Any:
    """The same for every string inside a value, which must be JSON: YAML also knows dates, NaN and other keys."""
    if isinstance(value, str):
        storable(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError(f"the key {key!r} must be a text: put it in quotes")
            storable(key)
            storable_tree(item)
    elif isinstance(value, list):
        for item in value:
            storable_tree(item)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a JSON number")
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError(f"{value} does not fit into 64 bits")
    elif not isinstance(value, (int, float, type(None))):
        raise ValueError(f"{value} is a {type(value).__name__}, which JSON does not have: put it in quotes")
    return value


Text = Annotated[str, AfterValidator(storable)]
Object = Annotated[dict[str, Any], AfterValidator(storable_tree)]


class Part(BaseModel):
    """What all parts of a definition have in common: unknown words are refused, nothing is changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Section(Part):
    """A section of a prompt (POM, the SDK's Prompt Object Model)."""

    title: Text | None = Field(None, description="Heading of the section")
    body: Text | None = Field(None, description="What the section says")
    bullets: list[Text] = Field(default=[], description="Points below the body")
    subsections: list["Section"] = Field(default=[], description="Sections below this one")
    numbered: bool = Field(False, description="Number this section")
    numbered_bullets: bool = Field(False, alias="numberedBullets", description="Number the points")

    @model_validator(mode="after")
    def says_something(self) -> "Section":
        """An empty section is a mistake of its author, and SWML's schema refuses it."""
        if not (self.body or self.bullets or self.subsections):
            raise ValueError("needs a body, bullets or subsections")
        return self


class Prompt(Part):
    """What the model is told: one text, or sections."""

    text: Text | None = Field(None, min_length=1, description="The whole prompt as one text")
    sections: list[Section] = Field(default=[], description="The prompt in sections, rendered as POM")

    @model_validator(mode="after")
    def one_form(self) -> "Prompt":
        """SWML has either `text` or `pom`."""
        if bool(self.text) == bool(self.sections):
            raise ValueError("needs either text or sections")
        return self


class Language(Part):
    """A language that the agent speaks."""

    name: Text = Field(min_length=1, description="Name of the language, such as English")
    code: Text = Field(min_length=1, description="Its code, such as en-US")
    voice: Text = Field(min_length=1, description="Voice, as engine.voice or engine.voice:model")


class Outcome(Part):
    """What a function says and does: a text, SWAIG actions, or a transfer to another agent."""

    reply: Text | None = Field(
        None, description="Said to the model; ${args.x}, ${global_data.x}, ${call.from} are filled in"
    )
    actions: list[Object] = Field(default=[], description="SWAIG actions, in order, such as {say: Thank you.}")
    transfer: Text | None = Field(None, min_length=1, description="Name of the registered agent that the call goes to")
    post_process: bool = Field(False, description="Let the model speak once more before the actions run")

    @field_validator("reply")
    @classmethod
    def known_placeholders(cls, reply: str | None) -> str | None:
        """A reply is filled in by us alone, so a placeholder that we do not know is a typing error."""
        if reply is not None:
            Template(reply).check_namespaces()
        return reply

    @field_validator("actions")
    @classmethod
    def one_key_each(cls, actions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """SWAIG's action list has objects such as {"say": …}."""
        if not all(actions):
            raise ValueError("an action must not be empty")
        return actions

    @model_validator(mode="after")
    def does_something(self) -> "Outcome":
        """A function without an outcome leaves the model waiting."""
        if self.reply is None and self.transfer is None and not self.actions:
            raise ValueError("needs a reply, actions or a transfer")
        return self


class Match(Part):
    """A table from an argument's value to outcomes."""

    argument: Text = Field(description="Name of the argument that is looked up")
    cases: dict[Text, Outcome] = Field(min_length=1, description="Outcome by value; upper and lower case are the same")
    default: Outcome = Field(description="What happens for any other value")

    @field_validator("cases")
    @classmethod
    def distinct(cls, cases: dict[str, Outcome]) -> dict[str, Outcome]:
        """Two cases that differ by upper and lower case alone cannot both be meant."""
        folded: dict[str, str] = {}
        for value in cases:
            if (key := value.strip().casefold()) in folded:
                raise ValueError(f"the cases {folded[key]!r} and {value!r} are the same but for their case")
            folded[key] = value
        return cases


class MatchHandler(Part):
    """The handler `match`."""

    match: Match


LATER_HANDLERS = ("webhook", "data_map")
TAGS = ("<outcome>", "<match>")  # pydantic puts them into the paths of errors; no field is named so


def which_handler(handler: Any) -> str:
    """The handler's kind by its word, so that an error names one field and not each kind in turn."""
    is_match = "match" in handler if isinstance(handler, dict) else isinstance(handler, MatchHandler)
    return "<match>" if is_match else "<outcome>"


Handler = Annotated[
    Annotated[Outcome, Tag("<outcome>")] | Annotated[MatchHandler, Tag("<match>")], Discriminator(which_handler)
]


class Function(Part):
    """A SWAIG function."""

    description: Text = Field(min_length=1, description="Tells the model when to call it")
    parameters: Object = Field(default=NO_PARAMETERS, description="JSON Schema of its arguments")
    handler: Handler = Field(description="What it answers: reply, match or transfer")
    secure: bool = Field(True, description="Callable only with the token of this call")

    @field_validator("handler", mode="before")
    @classmethod
    def known_handler(cls, handler: Any) -> Any:
        """Say of a handler that comes later that it does."""
        for word in LATER_HANDLERS:
            if isinstance(handler, dict) and word in handler:
                raise ValueError(f"{word} comes with step 2 of Switchboard: use reply, match or transfer until then")
        return handler

    @field_validator("parameters")
    @classmethod
    def is_schema(cls, parameters: dict[str, Any]) -> dict[str, Any]:
        """Bare properties are wrapped, as the SDK does; the result must be a JSON Schema of an object."""
        if "type" not in parameters and "properties" not in parameters:
            if not all(isinstance(value, dict) for value in parameters.values()):
                raise ValueError("must be a JSON Schema of an object: {type: object, properties: …}")
            parameters = {"type": "object", "properties": parameters}
        parameters = {"type": "object", "properties": {}, **parameters}
        if parameters["type"] != "object":
            raise ValueError("type must be object: the model sends named arguments")
        check_schema(parameters)
        return parameters

    @model_validator(mode="after")
    def placeholders_exist(self) -> "Function":
        """`${args.x}` must be one of the parameters, else the caller would hear a gap."""
        known = self.parameters["properties"]
        for outcome in outcomes(self.handler):
            for name in Template(outcome.reply or "").arguments():
                if name not in known and self.parameters.get("additionalProperties") is not True:
                    raise ValueError(f"the reply names ${{args.{name}}}, which is not among the parameters")
        if isinstance(self.handler, MatchHandler) and self.handler.match.argument not in known:
            raise ValueError(f"match looks at {self.handler.match.argument!r}, which is not among the parameters")
        return self


class PostPrompt(Part):
    """What the model is asked when the call has ended."""

    text: Text = Field(min_length=1, description="The question, such as: Summarise the call as JSON.")


class AgentDefinition(Part):
    """All that a stored agent is. Read it from JSON or YAML with `AgentDefinition.read`."""

    prompt: Prompt = Field(description="What the model is told")
    post_prompt: PostPrompt | None = Field(None, description="Asked when the call has ended")
    languages: list[Language] = Field(default=[], description="Languages and voices")
    hints: list[Text] = Field(default=[], description="Words that speech recognition should expect")
    params: Object = Field(default={}, description="Parameters of SWML's ai verb")
    global_data: Object = Field(default={}, description="Data that functions and prompts can read")
    functions: dict[str, Function] = Field(default={}, description="SWAIG functions by name")

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

    @classmethod
    def read(cls, value: Any) -> "AgentDefinition":
        """Check a definition; `InvalidDefinition` lists every problem with the path of its field."""
        if deeper_than(MAX_DEPTH, value):
            raise InvalidDefinition({"definition": f"is nested too deeply: more than {MAX_DEPTH} levels"})
        try:
            definition = cls.model_validate(value)
        except ValidationError as error:
            raise InvalidDefinition(problems_of(error)) from None
        size = len(orjson.dumps(definition.stored()))
        if size > MAX_DEFINITION_BYTES:
            raise InvalidDefinition({"definition": f"has {size:,} bytes, more than {MAX_DEFINITION_BYTES:,}"})
        return definition

    def stored(self) -> dict[str, Any]:
        """The JSON form that is kept: what was given, without defaults."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude_none=True)

    def transfer_targets(self) -> dict[str, set[str]]:
        """Names of the agents that functions transfer to, by function."""
        found = {
            name: {outcome.transfer for outcome in outcomes(function.handler) if outcome.transfer}
            for name, function in self.functions.items()
        }
        return {name: targets for name, targets in found.items() if targets}


def deeper_than(levels: int, value: Any) -> bool:
    """Whether objects and lists are nested inside each other in more levels than these."""
    if not isinstance(value, (dict, list)):
        return False
    items = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(deeper_than(levels - 1, item) for item in items)


def outcomes(handler: Outcome | MatchHandler) -> list[Outcome]:
    """Every outcome that a handler can have."""
    if isinstance(handler, MatchHandler):
        return [*handler.match.cases.values(), handler.match.default]
    return [handler]


def check_schema(schema: dict[str, Any]) -> None:
    """Raise `ValueError` if it is no JSON Schema, or one that would fetch another from somewhere."""
    for reference in references(schema):
        if not reference.startswith("#"):
            raise ValueError(f"$ref must stay inside the schema (#/…), not {reference!r}")
    try:
        validator_for(schema)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        raise ValueError(f"is no JSON Schema: {getattr(error, 'message', error)}") from None


def validator_for(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    """The compiled form. Nothing is fetched: else `$schema`, at any depth, would have us ask whatever URL it names."""
    return jsonschema_rs.validator_for(schema, offline=True)


def references(value: Any) -> list[str]:
    """Every `$ref` inside a JSON value, however deep."""
    if isinstance(value, list):
        return [found for item in value for found in references(item)]
    if not isinstance(value, dict):
        return []
    own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
    return own + [found for item in value.values() for found in references(item)]


def problems_of(error: ValidationError) -> dict[str, str]:
    """Pydantic's errors as {field path: what is wrong}, in the words of the definition."""
    problems: dict[str, str] = {}
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        path = ".".join(str(part) for part in problem["loc"] if part not in TAGS) or "definition"
        message = problem["msg"].removeprefix("Value error, ")
        problems[path] = {
            "extra_forbidden": "is not a word of a definition",
            "missing": "is missing",
            "model_type": "must be an object",
            "string_too_short": "must not be empty",
            "too_short": "must not be empty",
        }.get(problem["type"], message[:1].lower() + message[1:])
    return problems
