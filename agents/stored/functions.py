"""SWAIG functions of stored agents: their arguments are checked, then the handler answers."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson

from agents.definition import (
    DataMapHandler,
    Function,
    MatchHandler,
    Outcome,
    Webhook,
    WebhookHandler,
)
from agents.definition.templates import Template, TemplateTree, spoken
from agents.definition.variables import resolved, variables
from agents.stored.arguments import asking_again, fitted, is_right
from agents.swml.document import document

NO_REPLY = "Action completed."  # what the SDK says for an empty result
TRANSFER_REPLY = "Connecting you now."
SAFE_LINE = "I'm sorry, something went wrong on our side."
CONVERTED = "converted"  # among a call's values: what was converted; no template can name it
UNREACHABLE_REPLY = "I'm sorry, I can't connect you there right now."


class Result(NamedTuple):
    """What a function answers (the JSON of SWAIG), its outcome for the log, and a detail for people only."""

    answer: dict[str, Any]
    outcome: str = "ok"
    detail: str = ""


class PreparedOutcome:
    """An outcome with its templates parsed."""

    __slots__ = ("actions", "post_process", "reply", "transfer")

    def __init__(self, outcome: Outcome):
        fallback = TRANSFER_REPLY if outcome.transfer else NO_REPLY
        self.reply = Template(outcome.reply if outcome.reply is not None else fallback)
        self.actions = TemplateTree(outcome.actions)
        self.transfer = outcome.transfer
        self.post_process = outcome.post_process

    def result(self, values: dict[str, Any], url_of: Callable[[str], str | None]) -> Result:
        """The answer for these values. `url_of` gives the public URL of an agent, None if it has no route."""
        answer: dict[str, Any] = {"response": self.reply.fill(values)}
        actions = self.actions.fill(values)
        if self.transfer:
            url = url_of(self.transfer)
            if url is None:
                return Result({"response": UNREACHABLE_REPLY}, "error", f"{self.transfer} has no route to transfer to")
            # As the SDK's FunctionResult.swml_transfer(final=True) does.
            actions = [*actions, {"SWML": document({"transfer": {"dest": url}}), "transfer": "true"}]
        if actions:
            answer["action"] = actions
            if self.post_process:
                answer["post_process"] = True
        return Result(answer, detail=f"to {self.transfer}" if self.transfer else "")


class PreparedWebhook(NamedTuple):
    """Where a function's answer comes from, with secrets in place of their names."""

    url: str
    headers: Mapping[str, str]
    seconds: float | None
    missing: tuple[str, ...]  # variables that this server does not have
    secret: bool  # the URL came from a variable: no log may name it

    @classmethod
    def of(cls, webhook: Webhook, environment: Mapping[str, str]) -> "PreparedWebhook":
        """Look the secrets up."""
        missing = tuple(sorted({name for _, name in variables(webhook.given())} - set(environment)))
        headers = {name: resolved(value, environment) for name, value in webhook.headers.items()}
        url = resolved(webhook.url or "", environment)
        return cls(url, headers, webhook.timeout, missing, secret=url != webhook.url)


class PreparedFunction:
    """A function of one version, ready to be called.

    `webhook`: set if a server of the author's answers. `elsewhere`: set if the platform answers by itself; this is then
    what a request that comes here all the same is told.
    """

    __slots__ = ("argument", "cases", "default", "description", "elsewhere", "name", "schema", "secure", "webhook")

    def __init__(self, name: str, function: Function, environment: Mapping[str, str]):
        self.name = name
        self.description = function.description
        self.secure = function.secure
        self.schema = bytes(bytearray(orjson.dumps(function.parameters)))  # orjson's own keeps 4 kB behind it
        self.argument: str | None = None
        self.cases: dict[str, PreparedOutcome] = {}
        self.default: PreparedOutcome | None = None
        self.webhook: PreparedWebhook | None = None
        self.elsewhere = ""
        handler = function.handler
        if isinstance(handler, Outcome):
            self.default = PreparedOutcome(handler)
        elif isinstance(handler, MatchHandler):
            match = handler.match
            self.argument = match.argument
            self.cases = {value.strip().casefold(): PreparedOutcome(case) for value, case in match.cases.items()}
            self.default = PreparedOutcome(match.default)
        elif isinstance(handler, DataMapHandler):  # the reference's words (docs/contract.md, 2.3)
            self.elsewhere = f"Data map function '{name}' should be executed by SignalWire server, not locally"
        elif isinstance(handler, WebhookHandler) and handler.webhook.direct:
            self.elsewhere = f"External webhook function '{name}' should be executed by SignalWire, not locally"
        else:
            self.webhook = PreparedWebhook.of(handler.webhook, environment)

    def call(self, values: dict[str, Any], url_of: Callable[[str], str | None]) -> Result | None:
        """Check the arguments and answer. Wrong arguments are an answer too: the model asks the caller again.

        None: all is well so far, and the webhook has the answer. `values` then has, and templates are filled with, the
        arguments as they were converted; `converted` among them says what was.
        """
        if self.elsewhere:
            return Result({"response": self.elsewhere}, "refused", "the platform answers this function by itself")
        arguments = values["args"]
        note = ""
        if not is_right(self.schema, arguments):
            fit = fitted(self.schema, arguments)
            if fit.problems is not None:
                told = asking_again(self.name, fit.problems)
                return Result({"response": told}, "invalid_arguments", str(fit.problems))
            arguments, note = fit.arguments, fit.note
            values["args"], values[CONVERTED] = arguments, note
        outcome = self.default
        if self.argument is not None:
            value = spoken(arguments.get(self.argument))
            outcome = self.cases.get(value.strip().casefold(), outcome)
        if outcome is None:
            return None
        result = outcome.result(values, url_of)
        return result._replace(detail=noted(note, result.detail)) if note else result


def noted(note: str, detail: str) -> str:
    """A note for the log before whatever else it says."""
    return f"{note}; {detail}" if note and detail else note or detail
