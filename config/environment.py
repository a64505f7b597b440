"""What an operator can set: a field is an environment variable, and its docstring a line of docs/settings.md."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from config.values import (
    Arguments,
    Hosts,
    Level,
    Networks,
    Place,
    Places,
    Positive,
    PostgresServer,
    Site,
    Switch,
    Texts,
    Whole,
)

ROOT = Path(__file__).resolve().parent.parent
NO_DEFAULT = "default_factory_not_called"  # pydantic's word
DEFAULT_MASKED_KEYS = [
    "access_token",
    "api_key",
    "apikey",
    "authorization",
    "client_secret",
    "cookie",
    "credentials",
    "cvv",
    "passwd",
    "password",
    "private_key",
    "proxy-authorization",
    "refresh_token",
    "secret",
    "signing_key",
    "token",
    "x-api-key",
]


class Variables(EnvSettingsSource):
    """The process's variables. An empty one is as good as none, except for a list; so is a blank one for a number."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The text of one."""
        text, key, is_complex = super().get_field_value(field, field_name)
        if field.annotation is int and text is not None:
            text = text.strip()
        return text if text or isinstance(field.get_default(), list) else None, key, is_complex


class Environment(BaseSettings):
    """The variables, read and checked. Those that hold secrets are left out where it is shown.

    Nobody needs the docstrings while it runs: pydantic would take 20 ms of every start to find them.
    """

    model_config = SettingsConfigDict(case_sensitive=True, validate_default=False)

    DATABASE_URL: PostgresServer = Field(None, repr=False)
    """`postgresql://user:password@host/name`: the Postgres to use. Without it `serve` starts an embedded PostgreSQL 18
    under `DATA_DIR`."""
    DATABASE_SILENT_SECONDS: Positive = 20
    """A database that takes requests and has not answered for so long counts as away; its connections are cut off and
    made anew."""
    DATABASE_POOL: Whole = 0
    """Connections that a process keeps open; 0 = one per thread. `serve` gives its workers 8."""
    EMBEDDED_POSTGRES_OPTIONS: Arguments = ""
    """More settings for the embedded Postgres, as for `postgres -c`; the tests switch fsync off with it."""
    DATA_DIR: Place = (ROOT / ".data").resolve()
    """Secret key, embedded Postgres, spool of the routing log, counters for `/metrics`, snapshot of the registry. One
    per replica."""
    SECRET_KEY: str = Field("", repr=False)
    """Encrypts stored credentials, signs sessions and function tokens. All replicas share it."""
    SECRET_KEY_FILE: Place = Field(default_factory=lambda given: (given["DATA_DIR"] / "secret_key").resolve())
    """Where the key is read from if `SECRET_KEY` is not set; made on the first start."""
    SECRET_KEY_FALLBACKS: Texts = Field([], repr=False)
    """Other keys, comma-separated, whose secrets can be read too while the key changes;
    [the order](operating.md#changing-the-secret-key)."""
    PUBLIC_URL: Site = ""
    """The URL under which the platform reaches us, such as `https://voice.example.com`; may have
    [a path](operating.md#below-a-path). Stands in every document."""
    SWML_PROXY_URL_BASE: Site = ""
    """The SDK's name for `PUBLIC_URL`; used if that is not set."""
    ALLOWED_HOSTS: Texts = ["localhost", "127.0.0.1", "[::1]"]
    """Without `PUBLIC_URL`: the Host headers that may appear in documents. The host of `PUBLIC_URL` is added."""
    TRUSTED_PROXIES: Networks = []
    """Addresses or networks, such as `10.0.0.0/8`, whose `X-Forwarded-For`, `-Proto` and `-Host` count;
    [behind a proxy](operating.md#behind-a-proxy)."""
    SWML_BASIC_AUTH_USER: str = "signalwire"
    """User of the fleet's credentials."""
    SWML_BASIC_AUTH_PASSWORD: str = Field("", repr=False)
    """Password of the fleet's credentials, for agents without their own and for `POST /sip`."""
    SIGNALWIRE_SIGNING_KEY: str = Field("", repr=False)
    """The fleet's signing key: with it every POST must carry the platform's signature."""
    SIGNALWIRE_SWAIG_SECRET: str = Field("", repr=False)
    """Master secret of function tokens. All replicas share it."""
    AGENT_SECRETS: Texts = ["AGENT_SECRET_*"]
    """Environment variables that definitions may refer to as `env:NAME`, comma-separated; `*` stands for any ending."""
    AGENT_PATH: Places = Field(default_factory=lambda given: [str((given["DATA_DIR"] / "agents").resolve())])
    """Folders, with `:` between them, whose modules and scripts Python agents are loaded from;
    [python-agents.md](python-agents.md)."""
    AGENT_MODULES: Texts = []
    """Set, the only modules that Python agents may be of, also installed ones; comma-separated, `*` stands for
    anything. Empty: what is in `AGENT_PATH`, and the SDK's prefabs."""
    AGENT_SECONDS: Positive = 100
    """How long a Python agent may take for a function or anything else of a running call: the platform gives a function
    up after 120."""
    AGENT_DOCUMENT_SECONDS: Positive = 15
    """And for a document: the caller hears the ringing."""
    AGENT_RUNNING: Positive = 40
    """Requests of a Python agent at once, in each worker: the SDK has so many threads."""
    AGENT_MEMORY_MB: int = Field(512, ge=128)
    """Data that one of its processes may have."""
    WEBHOOK_ALLOWED_HOSTS: Hosts = []
    """Hosts, addresses and networks that webhooks and [remote agents](remote-agents.md#addresses-inside-the-network)
    may reach although they are not public: `crm.internal,10.1.0.0/16`."""
    SWML_SSL_ENABLED: Switch = False
    """Adds `Strict-Transport-Security` to every answer, as in the SDK."""
    MAX_BODY_BYTES: Positive = 2**20
    """Larger request bodies get a 413; a SWAIG request with its call log is below 100 kB."""
    MASKED_KEYS: Texts = DEFAULT_MASKED_KEYS
    """Keys, and parameters in URLs, whose values never reach the routing log, comma-separated. Instead of these, not
    besides them."""
    LOG_FSYNC: Switch = False
    """Answers wait until their events are synced to the disk, against power cuts; about 5 ms each."""
    READY_NEEDS_DATABASE: Switch = False
    """Whether `/ready` is 503 while the database is away. Calls are answered without it, so by default it is 200 and
    says `degraded`."""
    DRAIN_NOTICE_SECONDS: Whole = 5
    """After SIGTERM `/ready` says 503 and calls are still answered for so long, so that the load balancer can go
    elsewhere; 0 = stop at once. Not for Ctrl-C."""
    DRAIN_SECONDS: Whole = 20  # longer than a webhook; with the notice before it below Kubernetes' 30
    """How long running requests may take when a worker stops. A function that takes longer is cut off: the caller hears
    a safe line. Raise it, and the grace period around it, for slow functions of Python and remote agents."""
    HEAD_SECONDS: Whole = 10
    """How long a new connection may take to send its first request: idle ones would use up all descriptors."""
    API_REQUESTS_PER_MINUTE: Positive = 1200
    """Requests of the REST API that each token may make within a minute, in whatever rhythm; more get a 429. Never
    counted on agents' own routes."""
    DEBUG: Switch = False
    """Django's debug pages. Never in production."""
    LOG_DAYS: Whole = 30
    """How long the routing log and the agents' minutes are kept."""
    LOG_LEVEL: Level = "INFO"
    """Of the server's log on standard error."""

    @field_validator("SWML_PROXY_URL_BASE", mode="before")
    @classmethod
    def second_choice(cls, given: str, info: ValidationInfo) -> str:
        """The other name of an address that is known counts for nothing, whatever it says."""
        return "" if info.data.get("PUBLIC_URL") else given

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], *_: PydanticBaseSettingsSource, **__: PydanticBaseSettingsSource
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Variables, and no file: what a process was given is seen in its environment."""
        return (Variables(settings_cls),)


def read() -> Environment:
    """The variables of now. ImproperlyConfigured says what is wrong: a line for each, which begins with its name."""
    try:
        return Environment()
    except ValidationError as error:
        problems = error.errors(include_url=False)
    # A default may be made of another variable that is wrong itself: of it there is nothing more to say.
    raise ImproperlyConfigured(
        "\n".join(problem_line(problem) for problem in problems if problem["type"] != NO_DEFAULT)
    )


def problem_line(problem: Mapping[str, Any]) -> str:
    """One of them in words. What a variable says is repeated only of numbers, here, and where config/values.py does."""
    name, context = str(problem["loc"][0]), problem.get("ctx", {})
    match problem["type"]:
        case "value_error":
            what = str(context["error"])
        case "greater_than_equal":
            what = f"{problem['input'].strip()} is too small; write at least {context['ge']}"
        case _:
            default = Environment.model_fields[name].default
            what = f"{problem['input'].strip()!r} is not a whole number; write one such as {default}"
    return f"{name}: {what}"
