"""The first start, and what `serve` says when it is ready."""

import os
import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction

from registry.actions import agents, credentials, people
from registry.actions.transaction import Actor, changing
from registry.base.errors import RegistryError, WrongSecret
from registry.base.yaml_in import read_fleet
from registry.models import Installation, Route
from registry.secret_key import fingerprint

EXAMPLE_FLEET = Path(__file__).with_name("example_fleet.yaml")
EXAMPLE_LOCK = 0x73776269  # of `initialise`: "swbi" in ASCII
MAX_LISTED = 20  # agents in the banner; `agents` lists all
# What `credentials` must know besides DATA_DIR to give the same answer, if the server was given it.
NEEDED = ("DATABASE_URL", "SECRET_KEY", "SECRET_KEY_FILE", "SWML_BASIC_AUTH_PASSWORD")


@dataclass
class Initialised:
    """What `initialise` found or did."""

    first: bool
    registered: list[str] = field(default_factory=list)
    reencrypted: int = 0  # agents whose secrets are now kept with the present key


def initialise(*, example: bool, by: Actor) -> Initialised:
    """Make this database ours, or check that it is: `WrongSecret` if it belongs to another secret key.

    The very first time, and only then, the first Admin's account is made, and the example fleet is registered if
    `example` says so. While a key is changed,
    what the former one encrypted is encrypted with the present one.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [EXAMPLE_LOCK])
        installation = Installation.objects.first()
        if installation is not None:
            check_secret(installation)
            again = credentials.reencrypt(by=by) if settings.SECRET_KEY_FALLBACKS else 0
            return Initialised(first=False, reencrypted=again)
        Installation.objects.create(secret_fingerprint=fingerprint(settings.SECRET_KEY))
        people.add_first_admin(by=by)
        return Initialised(first=True, registered=register_examples(by=by) if example else [])


def register_examples(*, by: Actor, wait: bool = False) -> list[str]:
    """Register the example fleet, all of it or nothing; the names of its agents.

    `Conflict` if one of them, or of their routes and SIP names, is registered already.
    """
    entries = read_fleet(EXAMPLE_FLEET)
    with changing(by, wait=wait):
        for entry in entries:
            agents.register(entry.name, entry.route, entry.definition, sip=entry.sip, by=by, note="example")
    return [entry.name for entry in entries]


def check_secret(installation: Installation) -> None:
    """Compare the fingerprints; a key that was changed on purpose (with the old one as fallback) is taken over."""
    if installation.secret_fingerprint == fingerprint(settings.SECRET_KEY):
        return
    if installation.secret_fingerprint in {fingerprint(key) for key in settings.SECRET_KEY_FALLBACKS}:
        installation.secret_fingerprint = fingerprint(settings.SECRET_KEY)
        installation.save(update_fields=["secret_fingerprint"])
        return
    raise WrongSecret(
        "this database belongs to another SECRET_KEY: with this one no credential could be read and every token of a "
        "running call would be refused. Give all replicas the same SECRET_KEY (or SECRET_KEY_FILE); to change the key, "
        "put the old one into SECRET_KEY_FALLBACKS."
    )


def banner(base_url: str, *, first: bool) -> str:
    """What `serve` prints when it is ready: the agents' URLs, how to sign in, a curl line that works when pasted.

    Credentials are shown on the first start and on a terminal; a log gets a command that fetches them instead.
    """
    base_url = settings.PUBLIC_URL or base_url
    routes = list(Route.objects.select_related("agent").filter(enabled=True)[: MAX_LISTED + 1])
    lines = [f"Switchboard is ready at {base_url}", ""]
    width = max((len(route.agent.name) for route in routes), default=0)
    lines += [f"  {route.agent.name:<{width}}  {base_url}{route.path}" for route in routes[:MAX_LISTED]]
    if len(routes) > MAX_LISTED:
        lines.append("  … and more: python3 manage.py agents")
    if not routes:
        lines.append("  No agent is registered yet: python3 manage.py register NAME --route /path --file agent.yaml")
    lines += ["", *(f"  {line}".rstrip() for line in how_to_sign_in(base_url, first))]
    if routes:
        chosen = next((route for route in routes if route.path == "/sales"), routes[0])
        lines += ["", *(f"  {line}".rstrip() for line in how_to_ask(chosen, base_url, first))]
    return "\n".join([*lines, ""])


def how_to_sign_in(base_url: str, first: bool) -> list[str]:
    """Lines that say where; as long as no Admin has ever come, with a link that signs the first one in.

    The link is shown as credentials are: on the first start, and on a terminal. A log gets the command for it.
    """
    plain = f"Sign in at {base_url}/dashboard/"
    if not people.admins():
        return [plain, "Nobody may administer: python3 manage.py member add NAME --role admin --staff"]
    if not people.first_admin_waits():
        return [plain]
    command = f"python3 manage.py member link {people.FIRST}"
    if first or sys.stdout.isatty():
        try:
            link = people.make_sign_in_link(people.FIRST, by=Actor("serve", "serve"))
        except RegistryError as error:
            return [plain, f"(no sign-in link: {error}; later: {command})"]
        hours = settings.PASSWORD_RESET_TIMEOUT // 3600
        return [
            f"Sign in as {people.FIRST}, once, within {hours} hours (another link: {command}):",
            "",
            f"{base_url}{link}",
        ]
    there = " (with this server's environment)" if any(os.environ.get(name) for name in NEEDED) else ""
    return [plain, f"Nobody has signed in yet: {command} prints a link{there}"]


def how_to_ask(route: Route, base_url: str, first: bool) -> list[str]:
    """Lines that say how to get an agent's document."""
    show = first or sys.stdout.isatty()
    if not show and any(os.environ.get(name) for name in NEEDED):
        # In a terminal without them the command would ask another database, or could not decrypt.
        return [f"credentials: python3 manage.py credentials {route.agent.name} (with this server's environment)"]
    line = curl(route, base_url, show)
    return ["Ask an agent for its document, as the telephony platform does:", "", line]


def curl(route: Route, base_url: str, show: bool) -> str:
    """A line for the shell that asks for an agent's document, with its credentials or a command that fetches them."""
    target = shlex.quote(f"{base_url}{route.path}")
    if show:
        try:
            user, password = credentials.reveal_credentials(route.agent.name, by=Actor("serve", "serve"))
        except RegistryError as error:
            return f"(no credentials: {error})"
        return f"curl -u {shlex.quote(f'{user}:{password}')} {target}"
    python, manage = shlex.quote(sys.executable), shlex.quote(str(settings.BASE_DIR / "manage.py"))
    folder = f"DATA_DIR={shlex.quote(str(settings.DATA_DIR))} "
    return f'curl -u "$({folder}{python} {manage} credentials {route.agent.name})" {target}'
