"""What tests of several packages share: an actor, the fleet of fleet.yaml, and a client for the dispatcher."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from pytest_django.plugin import blocking_manager_key

from registry.actions import agents
from registry.actions.transaction import Actor, Change
from registry.base.yaml_in import FleetEntry, read_fleet
from registry.policy import ROLES
from tests.client import Client, load_table

FLEET_FILE = Path(__file__).with_name("fleet.yaml")


@pytest.fixture(scope="session", autouse=True)
def _servers_end() -> Iterator[None]:
    """A server that tests have left, and that does not end, is a failure."""
    yield
    if (module := sys.modules.get("tests.e2e.server")) is not None:
        for server in module.LEAVING:
            server.process.wait(30)
        module.commands.end()


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
    """The developer's own environment must not decide how a test ends."""
    settings.SWML_BASIC_AUTH_USER = "signalwire"
    settings.SWML_BASIC_AUTH_PASSWORD = ""
    settings.SIGNALWIRE_SIGNING_KEY = ""
    settings.PUBLIC_URL = ""


@pytest.fixture
def actor() -> Actor:
    return Actor("alice", "command")


@pytest.fixture(scope="session")
def fleet_entries() -> dict[str, FleetEntry]:
    """booking-desk, pharmacy and info-line, by name."""
    return {entry.name: entry for entry in read_fleet(FLEET_FILE)}


@pytest.fixture
def fleet(db, actor, fleet_entries) -> dict[str, Change]:
    """Three registered agents, by name; u and p are the credentials of each."""
    return {
        entry.name: agents.register(
            entry.name, entry.route, entry.definition, sip=entry.sip, by=actor, credentials=("u", "p")
        )
        for entry in fleet_entries.values()
    }


@pytest.fixture
def make_client(fleet) -> Callable[..., Client]:
    """Makes clients that serve what the database has at that moment; arguments as `Client`'s."""

    def make(**options) -> Client:
        return Client(load_table(), **options)

    return make


@pytest.fixture
def client(make_client) -> Client:
    return make_client()
