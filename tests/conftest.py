"""What tests of several packages share: an actor, the fleet of fleet.yaml, and a client for the dispatcher."""

import contextlib
import gc
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import override_settings
from pytest_django.plugin import DjangoDbBlocker, blocking_manager_key
from whitenoise.middleware import WhiteNoiseMiddleware

from dashboard.hasher import Hasher
from registry.actions import agents
from registry.actions.transaction import Actor
from registry.base.yaml_in import FleetEntry, read_fleet
from registry.models import RegistryChange
from registry.policy import ROLES
from tests.client import Client, load_table
from tests.rows import may_put_back, put_back, written_by

FLEET_FILE = Path(__file__).with_name("fleet.yaml")
# The developer's own environment must not decide how a test ends.
NO_CREDENTIALS_FROM_OUTSIDE = {
    "SWML_BASIC_AUTH_USER": "signalwire",
    "SWML_BASIC_AUTH_PASSWORD": "",
    "SIGNALWIRE_SIGNING_KEY": "",
    "PUBLIC_URL": "",
}

ALICE = Actor("alice", "command")


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Of several processes each compiles a share of the tests first, and finds what others have compiled meanwhile."""
    worker = getattr(session.config, "workerinput", None)
    if worker is None or session.config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return
    modules = [".".join(file.with_suffix("").parts) for file in sorted(Path("tests").rglob("test_*.py"))]
    for module in modules[int(worker["workerid"].removeprefix("gw")) :: worker["workercount"]]:
        with contextlib.suppress(Exception):  # the collection will tell
            importlib.import_module(module)


def pytest_collection_finish() -> None:
    """Six thousand tests, and all that is loaded, stay: no collection of garbage need look at them again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)  # tests are short: most of their garbage has no cycles


@pytest.fixture(scope="session", autouse=True)
def _servers_end() -> Iterator[None]:
    """A server that tests have left, and that does not end, is a failure."""
    yield
    if (module := sys.modules.get("tests.e2e.server")) is not None:
        for server in module.LEAVING:
            server.process.wait(30)
    if (module := sys.modules.get("tests.e2e.commands")) is not None:
        module.end()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """`manage.py test` without arguments asks for `loadgroup`; our groups are files."""
    from tests.longest import LongestFirst

    return LongestFirst(config, log) if config.option.dist == "loadgroup" else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """A test with transactions of its own ends with empty tables: without the roles, but with the routing log.

    Django runs such tests last; where several processes share the files, others follow them. After the very last one
    there is no database any more.
    """
    yield
    if nextitem is None:
        return
    marker = item.get_closest_marker("django_db")
    if "transactional_db" in getattr(item, "fixturenames", ()) or (marker and marker.kwargs.get("transaction")):
        with item.config.stash[blocking_manager_key].unblock(), connection.cursor() as cursor:
            cursor.execute("TRUNCATE registry_routingevent")
            Group.objects.bulk_create([Group(name=name) for name in ROLES], ignore_conflicts=True)


@pytest.fixture(autouse=True)
def _no_credentials_from_outside(settings):
    for name, value in NO_CREDENTIALS_FROM_OUTSIDE.items():
        setattr(settings, name, value)


@pytest.fixture(scope="session", autouse=True)
def _static_files_are_listed_once() -> Iterator[None]:
    """As a worker does; each of the tests' clients would look at all of them again."""
    listed: dict[str, Any] = {}
    add = WhiteNoiseMiddleware.add_files_from_finders

    def add_once(self: WhiteNoiseMiddleware) -> None:
        if not listed:
            add(self)
            listed.update(self.files)
        self.files.update(listed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", add_once)
        yield


@pytest.fixture(scope="session", autouse=True)
def _passwords_are_hashed_at_once() -> Iterator[None]:
    """But where a test takes this back: see tests/dashboard/test_sign_in.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Hasher, "iterations", 1)
        yield


@pytest.fixture
def actor() -> Actor:
    return ALICE


@pytest.fixture(scope="session")
def fleet_entries() -> dict[str, FleetEntry]:
    """booking-desk, pharmacy and info-line, by name."""
    return {entry.name: entry for entry in read_fleet(FLEET_FILE)}


def register_fleet(entries: dict[str, FleetEntry], by: Actor) -> None:
    for entry in entries.values():
        agents.register(entry.name, entry.route, entry.definition, sip=entry.sip, by=by, credentials=("u", "p"))


@pytest.fixture(scope="session")
def fleet_rows(django_db_setup: None, django_db_blocker: DjangoDbBlocker, fleet_entries: dict[str, FleetEntry]) -> str:
    """What registering the fleet writes; "" where it cannot be put back."""
    with django_db_blocker.unblock(), override_settings(**NO_CREDENTIALS_FROM_OUTSIDE):
        return written_by(lambda: register_fleet(fleet_entries, ALICE)) if may_put_back() else ""


@pytest.fixture
def fleet(fleet_rows, db, actor, fleet_entries) -> None:
    """Three registered agents; u and p are the credentials of each.

    Registered once: others have them put back. But where transactions are real somebody may wait to hear of them, and
    where something has been registered before, its numbers are taken.
    """
    if fleet_rows and connection.in_atomic_block and not RegistryChange.newest():
        put_back(fleet_rows)
    else:
        register_fleet(fleet_entries, actor)


@pytest.fixture
def make_client(fleet) -> Callable[..., Client]:
    """Makes clients that serve what the database has at that moment; arguments as `Client`'s."""

    def make(**options) -> Client:
        return Client(load_table(), **options)

    return make


@pytest.fixture
def client(make_client) -> Client:
    return make_client()
