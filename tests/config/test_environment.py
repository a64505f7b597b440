"""Environment variables: what is wrong with one is said in one line that names it, and no secret is repeated."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from config.environment import Environment

from .processes import ROOT

env = Environment()


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
def given(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv("X", raising=False)
    return monkeypatch


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
def test_a_database_that_cannot_be_is_refused_without_its_password(given: pytest.MonkeyPatch, url: str) -> None:
    given.setenv("X", url)
    with pytest.raises(ImproperlyConfigured, match=r"\AX: .*; write postgresql://user:password@host/name") as caught:
        env.database("X")
    assert "heim" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_database_is_read(given: pytest.MonkeyPatch) -> None:
    assert env.database("X") is None
    given.setenv("X", "postgres://user:p%40ss@host:5433/name?sslmode=require")
    found = env.database("X")
    assert found is not None
    assert (found["ENGINE"], found["PASSWORD"], found["PORT"]) == ("django.db.backends.postgresql", "p@ss", 5433)
    assert found["OPTIONS"] == {"sslmode": "require"}


def test_numbers_and_switches_and_levels(given: pytest.MonkeyPatch) -> None:
    for text, expected in (("", 7), (" 12 ", 12), ("0", 0)):
        given.setenv("X", text)
        assert env.int("X", default=7) == expected
    for text in ("abc", "1.5", "-1"):
        given.setenv("X", text)
        with pytest.raises(ImproperlyConfigured, match=r"\AX: .*; write "):
            env.int("X", default=7)
    for text in ("true", "True", "1", "yes", "on"):
        given.setenv("X", text)
        assert env.bool("X", default=False)
    for text in ("false", "0", "NO", "off", ""):
        given.setenv("X", text)
        assert not env.bool("X", default=False)
    for text in ("maybe", "2", "y"):
        given.setenv("X", text)
        with pytest.raises(ImproperlyConfigured, match=r"\AX: '.*' is neither true nor false; write "):
            env.bool("X", default=False)
    given.setenv("X", "debug")
    assert env.level("X", default="INFO") == "DEBUG"
    given.setenv("X", "loud")
    with pytest.raises(ImproperlyConfigured, match=r"\AX: 'loud' is no level; write DEBUG, "):
        env.level("X", default="INFO")


def test_lists_and_texts(given: pytest.MonkeyPatch) -> None:
    assert env.list("X", default=["a"]) == ["a"]
    given.setenv("X", "")
    assert env.list("X", default=["a"]) == []  # on purpose: none
    assert env.str("X", default="a") == "a"
    given.setenv("X", "10.0.0.0/8, ::1,")
    assert env.list("X", default=[]) == ["10.0.0.0/8", "::1"]
    given.setenv("X", "$ecret")
    assert env.str("X") == "$ecret"


def test_addresses_of_sites(given: pytest.MonkeyPatch) -> None:
    assert env.url("X", example="https://a.b") == ""
    given.setenv("X", "https://voice.example.com/path/")
    assert env.url("X", example="https://a.b") == "https://voice.example.com/path"
    for text in ("voice.example.com", "ftp://x", "https://", "http://x:99999", "https://x/?a=b", "https://u:geheim@x"):
        given.setenv("X", text)
        with pytest.raises(ImproperlyConfigured, match=r"\AX: .*; write https://a\.b") as caught:
            env.url("X", example="https://a.b")
        assert "geheim" not in str(caught.value)


def test_paths(given: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert env.path("X", default=tmp_path) == tmp_path
    given.setenv("X", "~no-such-user/x")
    with pytest.raises(ImproperlyConfigured, match=r"\AX: "):
        env.path("X", default=tmp_path)


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
