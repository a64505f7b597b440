"""One type knows the keys of the routing log's rows: the table, the line, the file and the API are the same list."""

from pathlib import Path

import orjson
import pytest

from registry.api.log import EventOut
from registry.log.cursor import COLUMNS
from registry.log.event import BLANK, Event
from registry.log.export import CSV_COLUMNS
from registry.log.masking import Masker
from registry.log.models import RoutingEvent
from registry.log.recorder import Excerpts, Recorder
from registry.log.writer import COLUMNS as WRITTEN
from registry.log.writer import NEWER
from tests.client import Client, MemorySpool
from tests.registry.building import fleet_table

KEYS = set(Event.__annotations__)
SHOWN = (KEYS - {"id", "request", "response"}) | {"id", "time"}


def test_an_events_keys_are_the_tables_columns() -> None:
    assert {field.column for field in RoutingEvent._meta.concrete_fields} == KEYS | {"batch"}
    assert set(WRITTEN) == KEYS


def test_what_is_shown_and_exported_are_the_same_keys() -> None:
    assert set(COLUMNS) | {"id", "time"} == SHOWN
    assert set(CSV_COLUMNS) == SHOWN - {"steps"}
    assert len(CSV_COLUMNS) == len(set(CSV_COLUMNS))
    assert {field.alias or name for name, field in EventOut.model_fields.items()} == SHOWN


def test_only_what_the_writer_fills_in_may_be_left_out_of_a_line() -> None:
    by_the_recorder = {"id", "replica", "request", "response"}
    assert set(BLANK) == Event.__required_keys__
    assert Event.__optional_keys__ - by_the_recorder == set(NEWER)


@pytest.mark.parametrize("path", ["/info", "/nobody", "/sip"])
def test_a_requests_line_has_these_keys(path: str) -> None:
    event = Client(fleet_table()).post(path, {"call": {"to": "info"}}).event
    assert event is not None
    assert Event.__required_keys__ <= set(event) <= KEYS


def test_a_blank_row_becomes_a_line_with_every_key_that_is_needed() -> None:
    spool = MemorySpool()
    Recorder(spool, "r", Masker([]), 100).record({**BLANK, "kind": "test"}, Excerpts())
    line = orjson.loads(spool.lines[0])
    assert set(line) == KEYS - set(NEWER)
    assert (line["kind"], line["replica"], BLANK["kind"]) == ("test", "r", "")


def test_no_other_module_writes_the_keys_down_but_the_one_that_fills_them_in() -> None:
    here = Path(__file__).parents[3]
    texts = {str(path.relative_to(here)): path.read_text() for path in sorted(here.glob("registry/**/*.py"))}
    by_hand = [name for name, text in texts.items() if '"sip_user": ' in text and '"source": ' in text]
    assert by_hand == ["registry/log/event.py", "registry/routing/record.py"]
