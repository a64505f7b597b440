"""What a document's references to secrets mean for an agent: which of its columns change, and how that is told."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.conf import settings

from agents.fields import UNREADABLE, EncryptedTextField
from registry.actions.credentials import check_secrets
from registry.actions.inspection import Upstream
from registry.actions.instead import NOTHING
from registry.base.errors import RegistryError
from registry.environment import is_allowed
from registry.fleet.document import FleetAgent
from registry.fleet.present import SECRETS, PresentAgent

OWN, FLEET, NONE = "own", "fleet", "none"
OF_CODE = f"{OWN}, of its code"


@dataclass
class Secrets:
    """What becomes of an agent's secrets. Only `columns` has any; words, problems and warnings never do."""

    columns: dict[str, str] = field(default_factory=dict, repr=False)  # that change, with their new values
    words: dict[str, tuple[str, str]] = field(default_factory=dict)  # the same for people: before, after
    make_credentials: bool = False
    problems: dict[str, str] = field(default_factory=dict)  # by column
    warnings: list[str] = field(default_factory=list)


def decide_secrets(agent: FleetAgent, present: PresentAgent | None, of_code: Mapping[str, str]) -> Secrets:
    """What becomes of the secrets of an agent that is new (None), in the trash, or registered.

    `of_code`: those that a Python agent's own code asks for, by column. What such an agent has may be its code's, so a
    document that names no secret leaves it alone.
    """
    secrets = Secrets()
    decide_credentials(secrets, agent, present, of_code.get("credentials", ""))
    decide_signing_key(secrets, agent, present, of_code.get("signing_key", ""))
    decide_upstream(secrets, agent, present)
    return secrets


def decide_credentials(secrets: Secrets, agent: FleetAgent, present: PresentAgent | None, of_code: str) -> None:
    """Credentials: the variable's, else those it has, else its code's, else the fleet's, else newly made ones."""
    kept = kept_secret(present, "credentials")
    before = OWN if kept else FLEET
    serving = present is not None and present.registered
    if not agent.credentials:
        if kept and settings.SWML_BASIC_AUTH_PASSWORD and not agent.kind.secrets_of_code:
            change(secrets, "credentials", "", before, FLEET)
        elif not kept and not serving and of_code:
            change(secrets, "credentials", of_code, before, OF_CODE)
        elif not kept and not settings.SWML_BASIC_AUTH_PASSWORD and not serving:
            secrets.make_credentials = True
        return
    value = value_of(secrets, agent, "credentials", agent.credentials, kept)
    if value:
        take(secrets, "credentials", agent.credentials, value, kept, before)
    elif not kept and serving:
        secrets.problems["credentials"] = (
            f"{agent.credentials} is not set here, and the agent has no credentials of its own"
        )
    elif not kept and of_code:
        change(secrets, "credentials", of_code, before, OF_CODE)
    elif not kept:
        secrets.make_credentials = True


def decide_signing_key(secrets: Secrets, agent: FleetAgent, present: PresentAgent | None, of_code: str) -> None:
    """A signing key: the variable's, else the one it has, else its code's."""
    kept = kept_secret(present, "signing_key")
    without = FLEET if settings.SIGNALWIRE_SIGNING_KEY else NONE
    before = OWN if kept else without
    if not agent.signing_key:
        if kept and not agent.kind.secrets_of_code:
            change(secrets, "signing_key", "", before, without)
        elif not kept and of_code and not (present and present.registered):
            change(secrets, "signing_key", of_code, before, OF_CODE)
        return
    value = value_of(secrets, agent, "signing_key", agent.signing_key, kept)
    if value:
        take(secrets, "signing_key", agent.signing_key, value, kept, before)
    elif not kept and of_code:
        change(secrets, "signing_key", of_code, before, OF_CODE)
    elif not kept:
        secrets.problems["signing_key"] = (
            f"{agent.signing_key} is not set here, and the agent has no signing key of its own to keep: set the "
            "variable, or leave signing_key out"
        )


def decide_upstream(secrets: Secrets, agent: FleetAgent, present: PresentAgent | None) -> None:
    """The credentials of a remote agent's server: the variable's, else those it has; none without a reference."""
    if not agent.kind.has_upstream:
        return
    kept = kept_secret(present, "upstream")
    before = OWN if kept else NONE
    if not agent.upstream:
        if kept:
            change(secrets, "upstream", "", before, NONE)
        return
    value = value_of(secrets, agent, "upstream", agent.upstream, kept)
    if value:
        take(secrets, "upstream", agent.upstream, value, kept, before)
    elif not kept and not secrets.problems.get("upstream"):
        secrets.problems["upstream"] = (
            f"{agent.upstream} is not set here, and the agent has no credentials for its server to keep: set the "
            "variable, or leave upstream out"
        )


def upstream_for(agent: FleetAgent, present: PresentAgent | None) -> Upstream:
    """With what a remote agent's server is asked when it is looked at."""
    if not agent.upstream:
        return NOTHING
    secrets = Secrets()
    decide_upstream(secrets, agent, present)
    user, _, password = secrets.columns.get("upstream", "").partition(":")
    return (user, password) if user else None


def take(secrets: Secrets, column: str, variable: str, value: str, kept: str, before: str) -> None:
    """Note the value of a variable, if it can be used and is not what the agent has."""
    user, _, password = value.partition(":")
    try:
        if column == "signing_key":
            check_secrets(None, value)
        elif column == "credentials":
            value = check_secrets((user, password), "")[column]
        else:
            value = check_secrets(None, "", (user, password))[column]
    except RegistryError as error:
        must = "" if column == "signing_key" else " must hold USER:PASSWORD"
        secrets.problems[column] = f"{variable}{must}: {error}"
        return
    if value != kept:
        change(secrets, column, value, before, f"{OWN}, of {variable}")


def change(secrets: Secrets, column: str, value: str, before: str, after: str) -> None:
    """Note a change. From one own secret to another one is a change too."""
    secrets.columns[column] = value
    secrets.words[column] = (before, after)


def value_of(secrets: Secrets, agent: FleetAgent, column: str, variable: str, kept: str) -> str:
    """The variable's value; "" if it is not set here, or not for this.

    Credentials can be revealed, so no other secret of the environment may be made some: the name must say that it is.
    """
    if not variable.upper().endswith(f"_{column.upper()}"):
        secrets.problems[column] = f"{variable} is not for this: the variable's name must end in _{column.upper()}"
        return ""
    if is_allowed(variable):
        return os.environ.get(variable, "")
    allowed = ", ".join(settings.AGENT_SECRETS) or "none"
    words = f"{variable} is not for agents and was not read: AGENT_SECRETS has {allowed}"
    if kept:  # as an export names it where AGENT_SECRETS has other names: the agent keeps what it has
        secrets.warnings.append(f"{agent.name}: {words}")
    else:
        secrets.problems[column] = words
    return ""


def kept_secret(present: PresentAgent | None, column: str) -> str:
    """What an agent has; "" for none. One that comes out of the trash has lost what cannot be read."""
    text = getattr(present, column) if present else ""
    value = (EncryptedTextField().from_db_value(text, None, None) or "") if text else ""
    return "" if value == UNREADABLE and present and not present.registered else value


def lost(present: PresentAgent) -> Mapping[str, str]:
    """The columns of an agent in the trash that no key can read any more, emptied."""
    return {column: "" for column in SECRETS if getattr(present, column) and not kept_secret(present, column)}
