"""Definitions on their way into the registry: everything is checked here before anything is written."""

import os
from collections.abc import Container, Mapping, Set
from typing import Any

from django.conf import settings

from agents.definition import AgentDefinition
from agents.errors import InvalidDefinition
from agents.outbound.guard import literal_problem
from agents.sources import Source
from agents.stored.kind import STORED
from registry.base.errors import Malformed
from registry.environment import is_allowed
from registry.models import Route


def read_definition(definition: Any) -> AgentDefinition:
    """The checked definition, also of a plain SWML document; `Malformed` lists every problem by field."""
    try:
        return STORED.check(definition, refused)
    except InvalidDefinition as error:
        raise Malformed(f"the definition has problems:\n{error}", problems=error.problems, where="definition") from None


def refused(name: str) -> str:
    """Why a variable is not for agents; "" if it is."""
    if is_allowed(name):
        return ""
    allowed = ", ".join(settings.AGENT_SECRETS) or "none"
    return f"the variable {name} is not for agents: AGENT_SECRETS allows {allowed}"


def warnings_of(definition: Source, name: str) -> list[str]:
    """What may be right later, or elsewhere, and is no reason to refuse."""
    targets = definition.transfer_targets()
    serving = Route.objects.filter(agent__name__in=set().union(*targets.values())).values_list("agent__name", flat=True)
    return [*transfer_warnings(targets, {name, *serving}), *warnings_about(definition)]


def transfer_warnings(targets: Mapping[str, Set[str]], known: Container[str]) -> list[str]:
    """Transfers to agents that are not registered: of two that transfer to each other one must come first."""
    return [
        f"function {function} transfers to {target}, which is not registered"
        for function, names in targets.items()
        for target in sorted(names)
        if target not in known
    ]


def warnings_about(definition: Source) -> list[str]:
    """Variables that this process does not have, for the server's may; webhooks that this process would not ask."""
    missing = sorted(set(definition.variables().values()) - set(os.environ))
    warnings = [f"{variable} is not set here: the server must have it" for variable in missing]
    warnings += [
        f"function {function}: {problem}; WEBHOOK_ALLOWED_HOSTS can allow it"
        for function, url in definition.webhook_urls().items()
        if (problem := literal_problem(url, settings.WEBHOOK_ALLOWED_HOSTS))
    ]
    return warnings
