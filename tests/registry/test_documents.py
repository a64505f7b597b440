"""What the documents say of the registry, held against the code."""

import hashlib
import hmac
import re
from pathlib import Path

import pytest
from django.db import connection

from registry.actions import agents
from registry.routing.access import signed
from registry.routing.addresses import RESERVED_FIRST, RESERVED_LAST

ROOT = Path(__file__).resolve().parent.parent.parent
WIRE = (ROOT / "docs/wire.md").read_text()
OPERATING = (ROOT / "docs/operating.md").read_text()


def test_reserved_segments_are_all_named():
    first, last = re.search(r"No route can begin with (.*?), nor end in\s(.*?), in capitals", WIRE, re.DOTALL).groups()
    assert set(re.findall(r"`(\w+)`", first)) == RESERVED_FIRST
    assert set(re.findall(r"`(\w+)`", last)) == RESERVED_LAST


def test_every_command_is_described():
    table = OPERATING.partition("## Commands")[2].partition("**The trash**")[0]
    described = {words.split()[0] for words in re.findall(r"`([a-z][^`]*)`", table.replace("| what it does", ""))}
    commands = {path.stem for path in (ROOT / "registry/management/commands").glob("[a-z]*.py")}
    assert commands <= described


def test_the_signature_of_the_example_is_accepted():
    url, body = re.search(r"^url=(\S+)\nbody='(.*)'$", WIRE, re.MULTILINE).groups()
    formula = re.search(r"In Python: `(.*)`", WIRE)[1]
    names = {"hmac": hmac, "hashlib": hashlib, "key": "PSK_x", "url": url, "body": body.encode()}
    signature = eval(formula, names)
    assert signed("PSK_x", url, {}, body.encode(), {b"x-signalwire-sha256-signature": signature.encode()})


@pytest.mark.django_db
def test_the_audits_example_shows_who_did_what(actor):
    agents.register("sales", "/sales", {"prompt": {"text": "I sell."}}, by=actor, credentials=("u", "p"))
    agents.publish("sales", {"prompt": {"text": "I sell."}}, by=actor, credentials=("me", "secret"))
    with connection.cursor() as cursor:
        cursor.execute(re.search(r"```sql\n(.*?)```", OPERATING, re.DOTALL)[1])
        newest = dict(zip([column.name for column in cursor.description], cursor.fetchone(), strict=True))
    assert newest.pop("at")
    assert newest == {
        "by": "alice", "via": "command", "what": "update", "name": "sales", "state": "serving", "version": 1,
        "changed": "credentials",
    }  # fmt: skip
