"""The actions about secrets: agents' credentials and signing keys, tokens for MCP, and a change of the secret key."""

import secrets
from collections.abc import Mapping

import pghistory
from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.db.models import TextField
from django.db.models.functions import Cast
from django.utils import timezone

from agents.fields import UNREADABLE, cipher_of
from agents.kind import Seen
from agents.kinds import kind_named, kind_of
from agents.models import Agent
from agents.tokens import FOR_MCP, MCP_CALL, TokenKey
from registry.actions.instead import FLEET, NOTHING, Instead
from registry.actions.lookups import get_agent
from registry.actions.transaction import Actor, Change, changing
from registry.base.errors import Conflict, Malformed, NotFound
from registry.base.text import check_storable

MAX_MCP_DAYS = 3650
CHUNK = 500  # agents that are encrypted again by one statement
# With their names for people.
COLUMNS = {"credentials": "credentials", "signing_key": "signing key", "upstream": "credentials of its server"}
OPTIONS = {
    "credentials": "--basic-auth",
    "signing key": "--signing-key",
    "credentials of its server": "--user and --password",
}


Credentials = tuple[str, str] | Instead | None  # None = as they are
SigningKey = str | Instead  # "" = as it is


def check_secrets(credentials: Credentials, signing_key: SigningKey, upstream: Credentials = None) -> dict[str, str]:
    """The columns of an agent that are to change, with their new values; what is not mentioned stays as it is."""
    columns = {}
    if credentials is FLEET:
        if not settings.SWML_BASIC_AUTH_PASSWORD:
            raise Conflict("the fleet has no credentials: set SWML_BASIC_AUTH_PASSWORD, here and for the server")
        columns["credentials"] = ""
    elif isinstance(credentials, tuple):
        columns["credentials"] = check_credentials(credentials)
    if signing_key is FLEET:
        columns["signing_key"] = ""
    elif isinstance(signing_key, str) and signing_key:
        check_storable("signing_key", signing_key)
        columns["signing_key"] = signing_key
    if upstream is NOTHING:
        columns["upstream"] = ""
    elif isinstance(upstream, tuple):
        columns["upstream"] = check_credentials(upstream)
    return columns


def of_its_own(seen: Seen) -> dict[str, str]:
    """The columns for the secrets that an agent's own code asks for."""
    columns = {"credentials": seen.credentials, "signing_key": seen.signing_key}
    return {column: value for column, value in columns.items() if value}


def check_credentials(credentials: tuple[str, str]) -> str:
    """`user:password` as it is kept (RFC 7617: no colon in the user, no control characters)."""
    user, password = credentials
    text = f"{user}:{password}"
    if (
        not user
        or not password
        or ":" in user
        or any(ord(character) < 32 or ord(character) == 127 for character in text)
    ):
        raise Malformed("credentials need a user without ':' and a password, both without control characters")
    check_storable("credentials", text)
    return text


def make_credentials() -> tuple[str, str]:
    """Credentials that nobody can guess."""
    return settings.SWML_BASIC_AUTH_USER, secrets.token_urlsafe(24)


def have_credentials(agent: Agent, change: Change) -> None:
    """Give an agent that has none, nor the fleet, credentials that are shown once; it is not saved here."""
    if not agent.credentials and not settings.SWML_BASIC_AUTH_PASSWORD:
        change.credentials = make_credentials()
        agent.credentials = ":".join(change.credentials)
    change.of_fleet = not agent.credentials


def keep_secrets(agent: Agent, given: Mapping[str, str]) -> list[str]:
    """Prepare an agent that comes out of the trash: what is given, else what it had. What to say about the latter."""
    kept: list[str] = []
    lost: list[str] = []
    for column, word in COLUMNS.items():
        before = getattr(agent, column)
        if column not in given and before:
            (lost if before == UNREADABLE else kept).append(word)
        setattr(agent, column, given.get(column, "" if before == UNREADABLE else before))
    warnings = []
    if kept:
        options = " and ".join(OPTIONS[word] for word in kept)
        them = f"replace{'s' if len(kept) == 1 else ''} {'it' if kept == ['signing key'] else 'them'}"
        warnings.append(f"taken out of the trash with the {' and the '.join(kept)} it had; {options} {them}")
    if lost:
        warnings.append(f"the {' and the '.join(lost)} it had cannot be read with this SECRET_KEY and are gone")
    return warnings


def renew_secrets(agent: Agent, given: Mapping[str, str]) -> list[str]:
    """Give a registered agent other secrets; which of them are other ones, in words."""
    other = {column: value for column, value in given.items() if getattr(agent, column) != value}
    if not other:
        return []
    for column, value in other.items():
        setattr(agent, column, value)
    agent.save(update_fields=list(other))
    words = [COLUMNS[column] for column in other]
    note_in_audit([agent], ", ".join(words))
    return words


def note_in_audit(agents: list[Agent], changed: str) -> None:
    """Say that secrets changed: the audit's triggers do not look at columns that the audit must not have."""
    with pghistory.context(changed=changed):
        for agent in agents:
            pghistory.create_event(agent, label="update")


def reveal_credentials(name: str, *, by: Actor) -> tuple[str, str]:
    """The user and password with which the platform asks this agent; the audit says who looked."""
    with changing(by):
        agent = get_agent(name)
        pghistory.create_event(agent, label="credentials_revealed")
        user, _, password = agent.credentials.partition(":")
    if agent.credentials == UNREADABLE:
        raise NotFound(
            f"the credentials of agent {name} were encrypted with another SECRET_KEY: put it into SECRET_KEY_FALLBACKS"
        )
    if agent.credentials:
        return user, password
    if not settings.SWML_BASIC_AUTH_PASSWORD:
        raise NotFound(f"agent {name} has no credentials, nor has the fleet: set SWML_BASIC_AUTH_PASSWORD")
    return settings.SWML_BASIC_AUTH_USER, settings.SWML_BASIC_AUTH_PASSWORD


def issue_mcp_token(name: str, days: int, *, by: Actor) -> tuple[str, str]:
    """An agent's MCP path, and a token that opens its secure functions there for so many days; the audit notes it.

    It cannot be taken back but by a change of SIGNALWIRE_SWAIG_SECRET, so it should not live longer than it must.
    """
    if not 1 <= days <= MAX_MCP_DAYS:
        raise Malformed(f"a token lives 1 to {MAX_MCP_DAYS} days, not {days}")
    with changing(by):
        agent = get_agent(name)
        if not offers_mcp(agent):
            raise Conflict(f"agent {name} offers no MCP: {kind_named(agent.kind).how_to_offer_mcp}")
        pghistory.create_event(agent, label="mcp_token_issued")
        expires = int(timezone.now().timestamp()) + days * 24 * 60 * 60
        route = agent.routes.values_list("path", flat=True)[0]
    key = TokenKey(str(settings.SIGNALWIRE_SWAIG_SECRET), agent.name)
    return f"{route.rstrip('/')}/mcp", key.mint(0, expires, [FOR_MCP], MCP_CALL)[0].decode()


def offers_mcp(agent: Agent) -> bool:
    """Whether an agent's live version has its functions as MCP tools, too."""
    return agent.live is not None and kind_of(agent.live.definition).offers_mcp(agent.live.definition)


def reencrypt(*, by: Actor) -> int:
    """Encrypt with the present secret key what only a fallback can read, also in the trash; how many agents had such.

    What no key can read stays as it is: its key may be put among the fallbacks later.
    """
    first = cipher_of(settings.SECRET_KEY)
    done: dict[int, Agent] = {}
    with changing(by):
        for column in COLUMNS:
            rows = Agent.objects.exclude(**{column: ""}).annotate(kept=Cast(column, TextField()))
            stale = [pk for pk, kept in rows.values_list("pk", "kept").order_by("pk") if not can_read(first, kept)]
            for start in range(0, len(stale), CHUNK):
                agents = Agent.objects.filter(pk__in=stale[start : start + CHUNK])
                readable = [agent for agent in agents if getattr(agent, column) != UNREADABLE]
                Agent.objects.bulk_update(readable, [column])
                done |= {agent.pk: agent for agent in readable}
        note_in_audit(list(done.values()), "secret key")
    return len(done)


def can_read(key: Fernet, kept: str) -> bool:
    """Whether this key encrypted it."""
    try:
        key.decrypt(kept.encode())
    except InvalidToken:
        return False
    return True
