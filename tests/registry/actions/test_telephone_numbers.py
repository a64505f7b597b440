"""Telephone numbers as SIP names: however they are written, and those that were registered before that."""

from importlib import import_module

import pytest
from django.db import connection

from registry.actions import sip_names
from registry.base.errors import Conflict
from registry.models import RegistryChange, Route, SipMapping
from registry.routing.addresses import sip_username
from registry.routing.decide import decide
from registry.routing.facts import Facts
from tests.client import load_table

pytestmark = pytest.mark.django_db
FOLD = import_module("registry.migrations.0010_telephone_numbers").FOLD


def old_name(username, path, source="manual"):
    """A name as it was kept before separators were left out."""
    route = Route.objects.get(path=path)
    return SipMapping.objects.create(username=username, typed=username, route=route, source=source)


def test_a_number_is_mapped_unmapped_and_taken_however_it_is_written(fleet, actor):
    change = sip_names.register_sip_username("+1 (555) 123-4567", "/info", by=actor)
    assert change.sip == ["+15551234567"]
    assert sip_names.register_sip_username("tel:+1-555-123-4567", "/info", by=actor).changed is False
    with pytest.raises(Conflict, match=r"\+15551234567 belongs to agent info-line"):
        sip_names.register_sip_username("+1.555.1234567", "/pharmacy", by=actor)
    assert sip_names.unregister_sip_username("sip:+1-5551234567@h", by=actor).sip == ["+15551234567"]


def test_numbers_that_were_registered_with_separators_go_on_working(fleet):
    for username in ("+1-555-0100", "555-0101", "(555)010-2", "store-0117", "1-2", "10.0.0.1", "24-7-help"):
        old_name(username, "/info")
    before = RegistryChange.newest()
    with connection.cursor() as cursor:
        cursor.execute(FOLD)
    assert RegistryChange.newest() > before, "workers hear of it"
    kept = dict(Route.objects.get(path="/info").sip_mappings.values_list("typed", "username"))
    expected = {"+1-555-0100": "+15550100", "555-0101": "5550101", "(555)010-2": "5550102"}
    same = {name: name for name in ("store-0117", "1-2", "10.0.0.1", "24-7-help")}
    assert {**expected, **same}.items() <= kept.items()
    table = load_table()
    for typed, username in kept.items():
        assert sip_username(typed) == username
        assert decide(table, Facts("/sip", dialled=f"sip:{typed}@h"), 0.0).agent.name == "info-line"
    with connection.cursor() as cursor:
        cursor.execute(FOLD)
    assert dict(Route.objects.get(path="/info").sip_mappings.values_list("typed", "username")) == kept


def test_of_two_names_that_are_one_number_the_one_without_separators_stays(fleet):
    old_name("+1-555-0100", "/info")
    old_name("+15550100", "/pharmacy", "auto")
    old_name("555-0101", "/info", "auto")
    old_name("55-50101", "/pharmacy")
    with connection.cursor() as cursor:
        cursor.execute(FOLD)
    kept = SipMapping.objects.filter(username__in=["+15550100", "5550101"]).values_list("username", "route__path")
    assert dict(kept) == {"+15550100": "/pharmacy", "5550101": "/pharmacy"}
    assert not SipMapping.objects.filter(username__contains="-0").exists()


def test_a_snapshot_of_before_has_its_numbers_without_separators(fleet):
    old_name("+1-555-0100", "/info")
    assert load_table().sip["+15550100"].path == "/info"
