"""SWAIG functions: what the model is told of them, and the handler that answers."""

import re
from typing import Annotated, Any

import jsonschema_rs
from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from agents.definition.parts import FieldError, Fillers, Flag, Number, Object, Part, Text, Word
from agents.definition.templates import Template
from agents.definition.variables import VARIABLE
from agents.outbound.guard import check_url

FUNCTION_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}
DIRECT_URL = re.compile(r"https?://|env:|[$%]\{", re.IGNORECASE)
MAX_WEBHOOK_SECONDS = 60  # the platform itself gives up after 120


class Outcome(Part):
    """What a function says and does: a text, SWAIG actions, or a transfer to another agent."""

    reply: Text | None = Field(
        None, description="Said to the model; ${args.x}, ${global_data.x}, ${call.from} are filled in"
    )
    actions: list[Object] = Field(default=[], description="SWAIG actions, in order, such as {say: Thank you.}")
    transfer: Word | None = Field(None, description="Name of the registered agent that the call goes to")
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


class Webhook(Part):
    """A server of the agent's author that answers the function: asked by us, or with `direct` by the platform."""

    url: Word | None = Field(None, description="https://…, or env:NAME; with direct: none = the agent's web_hook_url")
    direct: bool = Field(False, description="The platform calls it; we see nothing of it")
    auth_user: Text | None = Field(None, description="With direct: what the platform authenticates with (HTTP Basic)")
    auth_password: Text | None = Field(None, description="With direct: its password, as env:NAME")
    headers: dict[Word, Text] = Field(default={}, description="Sent with it; secrets as env:NAME or Bearer env:NAME")
    timeout: float | None = Field(None, gt=0, le=MAX_WEBHOOK_SECONDS, description="Seconds; 10 unless said")

    @model_validator(mode="after")
    def complete(self) -> "Webhook":
        """Ours needs a URL that can work; the platform's takes nothing but a URL."""
        if self.direct:
            if self.headers or self.timeout is not None:
                raise ValueError("the platform sends no headers and has its own time limit: leave them out, or direct")
            if self.url is not None and not DIRECT_URL.match(self.url):
                raise FieldError("url", "has to begin with https:// or http://")
        elif self.auth_user is not None or self.auth_password is not None:
            raise ValueError("auth_user and auth_password are for direct: use headers")
        elif self.url is None:
            raise FieldError("url", "is missing")
        elif not VARIABLE.match(self.url):
            try:
                check_url(self.url)
            except ValueError as error:
                raise FieldError("url", str(error)) from None
        return self


class WebhookHandler(Part):
    """The handler `webhook`; `webhook: https://…` is short for `webhook: {url: https://…}`."""

    webhook: Webhook

    @field_validator("webhook", mode="before")
    @classmethod
    def plain_url(cls, value: Any) -> Any:
        """The short form."""
        return {"url": value} if isinstance(value, str) else value


class DataMapHandler(Part):
    """The handler `data_map`: run by the platform, verbatim."""

    data_map: Object = Field(min_length=1, description="SWAIG's data_map: webhooks, expressions, output")


HANDLERS: dict[str, type[Part]] = {"match": MatchHandler, "webhook": WebhookHandler, "data_map": DataMapHandler}
# Pydantic puts these into the paths of errors; no field is named so.
TAGS = ("<outcome>", *(f"<{word}>" for word in HANDLERS))


def which_handler(handler: Any) -> str:
    """The handler's kind by its word, so that an error names one field and not each kind in turn."""
    for word, kind in HANDLERS.items():
        if isinstance(handler, kind) or (isinstance(handler, dict) and word in handler):
            return f"<{word}>"
    return "<outcome>"


Handler = Annotated[
    Annotated[Outcome, Tag("<outcome>")]
    | Annotated[MatchHandler, Tag("<match>")]
    | Annotated[WebhookHandler, Tag("<webhook>")]
    | Annotated[DataMapHandler, Tag("<data_map>")],
    Discriminator(which_handler),
]


class Function(Part):
    """A SWAIG function."""

    description: Word = Field(description="Tells the model when to call it")
    parameters: Object = Field(default=NO_PARAMETERS, description="JSON Schema of its arguments")
    handler: Handler = Field(description="What answers: reply, match, transfer, webhook or data_map")
    secure: bool = Field(True, description="Callable only with the token of this call")
    wait_file: Word | None = Field(None, description="Played while it runs: a URL, or a path on the public host")
    wait_file_loops: Number = Field(None, description="How often that is played")
    fillers: Fillers = Field(default={}, description="Said while it runs, by language code")
    wait_for_fillers: Flag = Field(None, description="Let the filler end before the answer is said")
    skip_fillers: Flag = Field(None, description="Say nothing while it runs")
    active: Flag = Field(None, description="false = the model does not see it until it is toggled on")
    meta_data: Object = Field(default={}, description="Data that comes with each call of it")
    meta_data_token: Word | None = Field(None, description="Functions with the same token share their meta_data")
    gates: list[Object] = Field(default=[], max_length=8, description="Semantic gates: questions that must hold first")
    gate_fillers: dict[Word, list[Any]] = Field(default={}, description="Said while the gates are checked")

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
        open_ended = self.parameters.get("additionalProperties") is True
        for path, outcome in outcomes(self.handler).items():
            for name in Template(outcome.reply or "").arguments():
                if name not in known and not open_ended:
                    raise FieldError(f"{path}.reply", f"names ${{args.{name}}}, which is not among the parameters")
        if isinstance(self.handler, MatchHandler) and self.handler.match.argument not in known:
            argument = self.handler.match.argument
            raise FieldError("handler.match.argument", f"{argument!r} is not among the parameters")
        return self

    @property
    def runs_here(self) -> bool:
        """Whether we answer it; the platform answers the others by itself."""
        if isinstance(self.handler, WebhookHandler):
            return not self.handler.webhook.direct
        return not isinstance(self.handler, DataMapHandler)


def outcomes(handler: Part) -> dict[str, Outcome]:
    """Every outcome that a handler can have, by its path in the function."""
    if isinstance(handler, MatchHandler):
        cases = {f"handler.match.cases.{value}": outcome for value, outcome in handler.match.cases.items()}
        return {**cases, "handler.match.default": handler.match.default}
    return {"handler": handler} if isinstance(handler, Outcome) else {}


def check_schema(schema: dict[str, Any]) -> None:
    """Raise `ValueError` if it is no JSON Schema, or one that would fetch another from somewhere."""
    for reference in references(schema):
        if not reference.startswith("#"):
            raise ValueError(f"$ref must stay inside the schema (#/…), not {reference!r}")
    try:
        validator_for(schema)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        raise ValueError(f"is no JSON Schema: {getattr(error, 'message', error)}") from None


def validator_for(schema: dict[str, Any], mask: str | None = None) -> jsonschema_rs.Validator:
    """The compiled form. Nothing is fetched: else `$schema`, at any depth, would have us ask whatever URL it names.

    `mask`: stands for wrong values in its messages.
    """
    return jsonschema_rs.validator_for(schema, offline=True, mask=mask)


def references(value: Any) -> list[str]:
    """Every `$ref` inside a JSON value, however deep."""
    if isinstance(value, list):
        return [found for item in value for found in references(item)]
    if not isinstance(value, dict):
        return []
    own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
    return own + [found for item in value.values() for found in references(item)]
