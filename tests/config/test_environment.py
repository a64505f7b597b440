"""Environment variables: what is wrong with one is said in one line that names it, and no secret is repeated."""

import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from config.environment import Environment, read

from .processes import ROOT


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of manage.py; a name given as "" is as good as unset."""
    outside = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "DATA_DIR")}
    return subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env={**outside, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_only_runserver_loads_daphne() -> None:
    assert "daphne" not in settings.INSTALLED_APPS
    done = run("runserver", "--help", SECRET_KEY="k", DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")
    assert "--noasgi" in done.stdout, done.stderr


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Environment]:
    """Reads variables that are set to this, and no others."""

    def reading(**variables: str) -> Environment:
        for name in Environment.model_fields:
            monkeypatch.delenv(name, raising=False)
        for name, text in variables.items():
            monkeypatch.setenv(name, text)
        return read()

    return reading


Given = Callable[..., Environment]


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "geheim",
        "mysql://user:geheim@host/name",
        "postgresql://",
        "postgresql://user:geheim@host",
        "postgresql://user:geheim@host:99999/name",
        "postgresql://user:geheim@host:port/name",
        "postgresql://user:ge#heim@host/name",
        "postgresql://user:geheim@[::1/name",
        "postgresql://user:geheim@host/name?passwort=geheim",
    ],
)
def test_a_database_that_cannot_be_is_refused_without_its_password(given: Given, url: str) -> None:
    advice = r"\ADATABASE_URL: .*; write postgresql://user:password@host/name"
    with pytest.raises(ImproperlyConfigured, match=advice) as caught:
        given(DATABASE_URL=url)
    assert "heim" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None  # pydantic's error has the value in it


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres://user:p%40ss@host:5433/name", {"USER": "user", "PASSWORD": "p@ss", "HOST": "host", "PORT": 5433}),
        ("psql://user:p@ss@host/name", {"PASSWORD": "p@ss", "HOST": "host", "PORT": ""}),
        ("pgsql://user:p%zz@HOST/na%20me", {"PASSWORD": "p%zz", "HOST": "host", "NAME": "na me"}),
        ("postgresql://user:p@[::1]:5433/name", {"HOST": "::1", "PORT": 5433}),
        ("postgresql://user:p@one,two:5433/name", {"HOST": "one,two", "PORT": 5433}),
        ("postgresql:///name?host=one,two&port=5432,5433", {"OPTIONS": {"host": "one,two", "port": "5432,5433"}}),
        ("postgresql://user@/name?host=/run/a%20b%2Bc", {"USER": "user", "OPTIONS": {"host": "/run/a b+c"}}),
        ("postgresql://user@%2Frun%2Fpostgresql/name", {"HOST": "/run/postgresql"}),
        ("postgresql:////run/postgresql/name", {"HOST": "/run/postgresql"}),
        (
            "postgresql:///name?sslmode=require&connect_timeout=3",
            {"OPTIONS": {"sslmode": "require", "connect_timeout": 3}},
        ),
        ("postgresql:///name?sslmode=require&sslmode=disable", {"OPTIONS": {"sslmode": "require"}}),
        (
            "postgresql:///name?application_name=my+app&options=-c%20a%3Db",
            {"OPTIONS": {"application_name": "my app", "options": "-c a=b"}},
        ),
        (
            "postgresql:///name?conn_max_age=60&disable_server_side_cursors=true",
            {"CONN_MAX_AGE": 60, "DISABLE_SERVER_SIDE_CURSORS": True, "OPTIONS": {}},
        ),
        (
            "postgresql:///name?isolation_level=2&assume_role=owner",
            {"OPTIONS": {"isolation_level": 2, "assume_role": "owner"}},
        ),
    ],
)
def test_a_database_is_read(given: Given, url: str, expected: dict[str, Any]) -> None:
    found = given(DATABASE_URL=url).DATABASE_URL
    assert found is not None
    expected = {"ENGINE": "django.db.backends.postgresql", "NAME": "name", **expected}
    assert {key: found[key] for key in expected} == expected


def test_without_a_database_there_is_none(given: Given) -> None:
    assert given().DATABASE_URL is given(DATABASE_URL="").DATABASE_URL is given(DATABASE_URL=" ").DATABASE_URL is None


def test_options_of_the_database_are_ours_and_those_of_its_address() -> None:
    ask = "from django.conf import settings; print(settings.DATABASES['default']['OPTIONS']['options'])"
    url = "postgresql://127.0.0.1:1/x?currentSchema=ours&connect_timeout=99"
    assert run("shell", "--no-imports", "-c", ask, DATABASE_URL=url).stdout.startswith(
        "-c search_path=ours -c statement"
    )


def test_numbers_and_switches_and_levels(given: Given) -> None:
    for text, expected in (("", 30), (" 12 ", 12), ("0", 0)):
        days = given(LOG_DAYS=text).LOG_DAYS
        assert days == expected
    for text in ("abc", "1.5"):
        with pytest.raises(
            ImproperlyConfigured, match=rf"\ALOG_DAYS: '{text}' is not a whole number; write one such as 30"
        ):
            given(LOG_DAYS=text)
    with pytest.raises(ImproperlyConfigured, match=r"\ALOG_DAYS: -1 is too small; write at least 0"):
        given(LOG_DAYS="-1")
    with pytest.raises(ImproperlyConfigured, match=r"\AAGENT_MEMORY_MB: 127 is too small; write at least 128"):
        given(AGENT_MEMORY_MB="127")
    for text in ("true", "True", "1", "yes", "on"):
        assert given(DEBUG=text).DEBUG
    for text in ("false", "0", "NO", "off", ""):
        assert not given(DEBUG=text).DEBUG
    for text in ("maybe", "2", "y"):
        with pytest.raises(ImproperlyConfigured, match=r"\ADEBUG: '.*' is neither true nor false; write "):
            given(DEBUG=text)
    assert given(LOG_LEVEL="debug").LOG_LEVEL == "DEBUG"
    with pytest.raises(ImproperlyConfigured, match=r"\ALOG_LEVEL: 'loud' is no level; write DEBUG, "):
        given(LOG_LEVEL="loud")


def test_lists_and_texts(given: Given) -> None:
    assert given().AGENT_SECRETS == ["AGENT_SECRET_*"]
    assert given(AGENT_SECRETS="").AGENT_SECRETS == []  # on purpose: none
    assert given(SWML_BASIC_AUTH_USER="").SWML_BASIC_AUTH_USER == "signalwire"
    assert given(AGENT_SECRETS="A, B_*,").AGENT_SECRETS == ["A", "B_*"]
    assert [str(network) for network in given(TRUSTED_PROXIES="10.0.0.1/8, ::1,").TRUSTED_PROXIES] == [
        "10.0.0.0/8",
        "::1/128",
    ]
    assert given(SECRET_KEY="$ecret").SECRET_KEY == "$ecret"
    assert given(SECRET_KEY='["no JSON"]', SECRET_KEY_FALLBACKS='["nor this"]').SECRET_KEY_FALLBACKS == ['["nor this"]']


def test_addresses_of_sites(given: Given) -> None:
    assert given().PUBLIC_URL == ""
    assert given(PUBLIC_URL="https://voice.example.com/path/").PUBLIC_URL == "https://voice.example.com/path"
    for text in ("voice.example.com", "ftp://x", "https://", "http://x:99999", "https://x/?a=b", "https://u:geheim@x"):
        with pytest.raises(
            ImproperlyConfigured, match=r"\APUBLIC_URL: .*; write https://voice\.example\.com"
        ) as caught:
            given(PUBLIC_URL=text)
        assert "geheim" not in str(caught.value)


def test_the_sdks_name_of_our_address_is_looked_at_where_ours_is_not_set(given: Given) -> None:
    assert given(SWML_PROXY_URL_BASE="https://a.example/").SWML_PROXY_URL_BASE == "https://a.example"
    assert given(PUBLIC_URL="", SWML_PROXY_URL_BASE="https://a.example").SWML_PROXY_URL_BASE == "https://a.example"
    assert given(PUBLIC_URL="https://b.example", SWML_PROXY_URL_BASE="nonsense").PUBLIC_URL == "https://b.example"
    with pytest.raises(ImproperlyConfigured, match=r"\ASWML_PROXY_URL_BASE: 'nonsense' is not the address of a site"):
        given(SWML_PROXY_URL_BASE="nonsense")


def test_paths(given: Given, tmp_path: Path) -> None:
    assert given().DATA_DIR == ROOT / ".data"
    found = given(DATA_DIR=f"{tmp_path}/x/..")
    folder, file = found.DATA_DIR, found.SECRET_KEY_FILE
    assert folder == tmp_path
    assert file == tmp_path / "secret_key"
    assert found.AGENT_PATH == given(DATA_DIR=str(tmp_path), AGENT_PATH="").AGENT_PATH == [str(tmp_path / "agents")]
    several = given(AGENT_PATH=f"{tmp_path}::/srv/..").AGENT_PATH
    assert several == [str(tmp_path), "/"]
    for name in ("DATA_DIR", "SECRET_KEY_FILE", "AGENT_PATH"):
        with pytest.raises(ImproperlyConfigured, match=rf"\A{name}: [^\n]*; write a path\Z"):
            given(**{name: "~no-such-user/x"})


def test_all_that_is_wrong_is_said_at_once_a_line_each(given: Given) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        given(
            DATA_DIR="~no-such-user/x", DEBUG="maybe", DATABASE_URL="postgresql://user:geheim@host", HEAD_SECONDS="-3"
        )
    lines = str(caught.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["DATABASE_URL", "DATA_DIR", "HEAD_SECONDS", "DEBUG"]
    assert "geheim" not in str(caught.value)


def test_a_name_in_other_letters_or_another_source_counts_for_nothing(
    given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("debug", "true")
    assert not given().DEBUG


def test_what_is_shown_of_all_has_no_secret_in_it(given: Given) -> None:
    secrets = {
        name: f"{name}-geheim"
        for name in Environment.model_fields
        if re.search("PASSWORD|_KEY(?!S|_FILE)|SECRET$", name)
    }
    assert len(secrets) == 5
    found = given(**secrets, DATABASE_URL="postgresql://user:geheim@host/name")
    assert "geheim" not in repr(found) + str(found)
    assert found.SECRET_KEY_FALLBACKS == ["SECRET_KEY_FALLBACKS-geheim"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "nonsense"),
        ("TRUSTED_PROXIES", "foo"),
        ("WEBHOOK_ALLOWED_HOSTS", "*"),
        ("SECRET_KEY_FILE", "/"),
        ("EMBEDDED_POSTGRES_OPTIONS", "-c 'x"),
        ("DATA_DIR", "/dev/null/data"),
    ],
)
def test_any_command_ends_with_one_line_and_code_2(tmp_path: Path, name: str, value: str) -> None:
    for command in ("agents", "migrate"):
        done = run(command, **{"DATA_DIR": str(tmp_path / "data"), "SECRET_KEY": "", name: value})
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        [line] = done.stderr.splitlines()
        assert line.startswith(f"{name}: "), line
        assert "; write" in line
    assert not (tmp_path / "data").exists()


def test_a_command_that_only_looks_makes_no_database(tmp_path: Path) -> None:
    done = run("agents", "--json", DATA_DIR=str(tmp_path / "mistyped"))
    assert done.returncode == 1
    assert f"there is no database in DATA_DIR {tmp_path / 'mistyped'}: start `serve` once" in done.stdout
    done = run("dbshell", DATA_DIR=str(tmp_path))
    assert done.returncode == 1
    assert "there is no database in DATA_DIR" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_pool_leaves_it_to_others_to_say_that_the_database_is_away() -> None:
    assert logging.getLogger("psycopg.pool").getEffectiveLevel() == logging.ERROR


def test_agents_get_libpqs_variables_only_where_they_are_not_ours() -> None:
    """They complete DATABASE_URL; with the embedded Postgres nobody but an agent can mean them."""
    ask = ("shell", "--no-imports", "-c", "from django.conf import settings; print(sorted(settings.NOT_FOR_AGENTS))")
    ours = run(*ask, DATABASE_URL="postgresql://127.0.0.1:1/x", PGPASSWORD="hidden", PGHOST="db")
    assert "'DATABASE_URL', " in ours.stdout
    assert "'PGHOST', 'PGPASSWORD', " in ours.stdout
    assert "PGPASSWORD" not in run(*ask, DATABASE_URL="", PGPASSWORD="theirs").stdout
    worker = {"DATABASE_URL": "postgresql://127.0.0.1:1/x", "SWITCHBOARD_EMBEDDED": "1"}
    assert "PGPASSWORD" not in run(*ask, **worker, PGPASSWORD="theirs").stdout
