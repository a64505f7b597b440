"""Health in words: the checks of /ready and what to do about each, the public URL, and the settings at a glance."""

import platform
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.db import connection
from django.http import HttpRequest

from registry.base.checks import Check
from registry.rehearsal.stage import stage_of
from registry.requests import client_address, public_base

FORWARDED = ("X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-For", "Forwarded")


@dataclass(frozen=True)
class Finding:
    """One finding. `tone`: ok, warn or bad; `todo`: empty if there is nothing to do."""

    name: str
    tone: str
    word: str
    detail: str
    todo: str = ""


def checks_of(request: HttpRequest) -> list[Finding]:
    """The checks of the worker that answers this page; none if this process serves no agents."""
    stage = stage_of(request)
    return [finding(name, check) for name, check in stage.checks().items()] if stage else []


def finding(name: str, check: Check) -> Finding:
    """A check of /ready in words, and what to do about it."""
    said = str(check)
    match name, check.state:
        case "status", state if state in STATUSES:
            return STATUSES[state]
        case "status", _:
            return Finding("This worker", "warn", said, "")
        case (("database" | "log" | "snapshot"), "ok"):
            return FINE[name]
        case "table", "loaded":
            return Finding("Routing table", "ok", "Loaded", f"Calls are answered from memory, with {said}.")
        case "table", "missing":
            todo = "Calls get a 503 until it is loaded: look at the database first, then at this replica's log."
            return Finding("Routing table", "warn", "Not loaded", said, todo)
        case "table", _:
            todo = "Calls are answered from it. Bring the database back; the newest table is loaded by itself."
            return Finding("Routing table", "warn", "Stale", said, todo)
        case "database", _:
            todo = "Calls go on from memory and the log waits on disk. "
            todo += "Check that PostgreSQL runs and DATABASE_URL is right."
            return Finding("Database", "bad", "Away", said, todo)
        case "log", "waiting":
            todo = "Nothing is lost: it is written when the database takes it again. Replicas shows the last error."
            return Finding("Log", "warn", "Waiting", "Events wait in the spool on disk.", todo)
        case "log", _:
            todo = f"Look at the disk of {settings.SPOOL_DIR}: is it full, or very slow?"
            return Finding("Log", "bad", "Trouble", said, todo)
        case "snapshot", _:
            todo = f"Look at the disk and the rights of {settings.SNAPSHOT_FILE}. Calls are not affected."
            return Finding("Snapshot", "warn", "Not written", said, todo)
        case "agents", _:
            todo = (
                "Callers of these wait, those of others do not. /ready is 200 when they are there, or after 15 seconds."
            )
            return Finding("Python agents", "warn", "Being built", said, todo)
    return Finding(name.capitalize(), "ok" if check.ok else "warn", said, "")


FINE = {
    "database": Finding("Database", "ok", "There", "Changes reach this worker as they happen."),
    "log": Finding("Log", "ok", "Written", "Every request reaches the database within a moment."),
    "snapshot": Finding("Snapshot", "ok", "Written", "A restart without the database serves what is served now."),
}
STATUSES = {
    "ready": Finding("This worker", "ok", "Ready", "/ready is 200: a load balancer sends calls here."),
    "degraded": Finding(
        "This worker",
        "warn",
        "Degraded",
        "It answers calls; the database is away.",
        "Changes are not possible until it is back. READY_NEEDS_DATABASE decides whether /ready is 503 meanwhile.",
    ),
    "starting": Finding(
        "This worker",
        "warn",
        "Starting",
        "/ready is 503: the routing table is not loaded, or agents are not built.",
        "If it stays so, look at the database and at this replica's log.",
    ),
    "draining": Finding("This worker", "warn", "Stopping", "/ready is 503: running calls are answered, then it ends."),
}


def public_url(request: HttpRequest) -> list[Finding]:
    """The public URL as documents carry it, and whether it looks right."""
    base = public_base(request)
    parts = urlsplit(base)
    name = "Public URL"
    told = (
        "It is what PUBLIC_URL says."
        if settings.PUBLIC_URL
        else "It is taken from each request: PUBLIC_URL is not set."
    )
    found = []
    if parts.hostname in ("localhost", "127.0.0.1", "::1", "0.0.0.0"):  # noqa: S104
        todo = "The platform cannot reach this address. Set PUBLIC_URL to the one that it is to call."
        found.append(Finding(name, "warn", "Local", f"{base}. {told}", todo))
    elif parts.scheme != "https":
        todo = "Credentials go over the wire in the clear. Set PUBLIC_URL to an https:// address, or TRUSTED_PROXIES."
        found.append(Finding(name, "warn", "Not encrypted", f"{base}. {told}", todo))
    else:
        found.append(Finding(name, "ok", "Looks right", f"{base}. {told}"))
    seen = f"{'https' if request.is_secure() else 'http'}://{request.get_host()}"
    forwarded = [header for header in FORWARDED if header in request.headers]
    if forwarded:
        trusted = bool(settings.TRUSTED_PROXIES)
        detail = f"A proxy sends {', '.join(forwarded)}; your address is taken to be {client_address(request)}."
        if trusted or settings.PUBLIC_URL:
            found.append(Finding("Proxy", "ok", "Seen", detail))
        else:
            todo = "Its words count only if its address is in TRUSTED_PROXIES: put it there, or set PUBLIC_URL."
            found.append(Finding("Proxy", "warn", "Not trusted", detail, todo))
    elif settings.PUBLIC_URL and urlsplit(settings.PUBLIC_URL).netloc != urlsplit(seen).netloc:
        found.append(Finding("This page", "ok", "Another address", f"You look at it at {seen}; documents say {base}."))
    return found


def versions() -> dict[str, str]:
    """What runs here."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        postgres = cursor.fetchone()[0]
    return {
        "Switchboard": settings.VERSION,
        "Python": platform.python_version(),
        "Django": django.get_version(),
        "PostgreSQL": postgres.split()[0],
    }


def at_a_glance() -> list[tuple[str, str, str]]:
    """Settings without secrets: name, value, what it means."""
    database = connection.settings_dict
    place = f"{database.get('HOST') or 'embedded'}{':' if database.get('PORT') else ''}{database.get('PORT') or ''}"
    return [
        ("DATABASE_URL", f"{place}/{database['NAME']}", "where everything is kept; user and password are not shown"),
        ("DATA_DIR", str(settings.DATA_DIR), "spool, snapshot, metrics of this replica"),
        ("PUBLIC_URL", settings.PUBLIC_URL or "not set", "the address that documents carry"),
        ("ALLOWED_HOSTS", listed(settings.ALLOWED_HOSTS), "under which names this server answers"),
        ("TRUSTED_PROXIES", listed(settings.TRUSTED_PROXIES), "whose forwarded headers count"),
        ("SWML_BASIC_AUTH_PASSWORD", given(settings.SWML_BASIC_AUTH_PASSWORD), "the fleet's credentials"),
        ("SIGNALWIRE_SIGNING_KEY", given(settings.SIGNALWIRE_SIGNING_KEY), "the fleet's key for request signatures"),
        ("AGENT_PATH", listed(settings.AGENT_PATH), "folders of Python agents"),
        ("AGENT_MODULES", listed(settings.AGENT_MODULES), "their modules; none = all in these folders"),
        ("AGENT_SECRETS", listed(settings.AGENT_SECRETS), "variables that definitions may refer to"),
        ("WEBHOOK_ALLOWED_HOSTS", listed(settings.WEBHOOK_ALLOWED_HOSTS), "webhooks that are not on the internet"),
        ("LOG_DAYS", str(settings.LOG_DAYS), "how long the log is kept"),
        ("LOG_FSYNC", yes(settings.LOG_FSYNC), "answers wait until the log is on the disk"),
        ("READY_NEEDS_DATABASE", yes(settings.READY_NEEDS_DATABASE), "/ready is 503 while the database is away"),
        ("MAX_BODY_BYTES", f"{settings.MAX_BODY_BYTES:,}", "of a request"),
        ("API_REQUESTS_PER_MINUTE", str(settings.API_REQUESTS_PER_MINUTE), "of each token"),
        ("DEBUG", yes(settings.DEBUG), "never in production"),
    ]


def listed(values: Iterable[object]) -> str:
    """Some values in a line."""
    return ", ".join(map(str, values)) or "none"


def given(secret: str) -> str:
    """Whether there is a secret."""
    return "set" if secret else "not set"


def yes(value: bool) -> str:
    """A switch."""
    return "yes" if value else "no"
