import json
import threading
import uuid
from datetime import UTC, datetime

import orjson
import psycopg
import pytest
from django.conf import settings as django_settings
from django.db import OperationalError, connection, connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.base import daemon
from registry.log import partitions
from registry.log import writer as writer_module
from registry.log.ids import uuid7
from registry.log.masking import Masker
from registry.log.models import AgentMinute, RoutingEvent
from registry.log.recorder import Excerpts, Recorder
from registry.log.spool import Spool
from registry.log.writer import QUARANTINE, Writer
from registry.routing.http import parse_json

EVENT = {
    "kind": "swml",
    "method": "POST",
    "path": "/sales",
    "source": "192.0.2.7",
    "route": "/sales",
    "agent": "sales",
    "version": 3,
    "call_id": "C1",
    "sip_user": "",
    "from": "",
    "to": "",
    "function": "",
    "status": 200,
    "outcome": "ok",
    "detail": "",
    "steps": [],
    "microseconds": 50,
}


def apart(work):
    """Do it in a thread with a connection of its own, as the writer has; give or raise what it gave or raised."""
    outcome = {}

    def run():
        try:
            outcome["result"] = work()
        except BaseException as error:  # noqa: BLE001 - raised again below
            outcome["error"] = error
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if "error" in outcome:
        raise outcome["error"]
    return outcome["result"]


def empty_log():
    """Take away the routing log's rows and the agents' minutes that are committed: other files' tests follow."""
    RoutingEvent.objects.all().delete()
    AgentMinute.objects.all().delete()


@pytest.fixture
def log(db):
    """The routing log, empty; rows are committed, so they are taken away again."""
    apart(empty_log)
    yield lambda: apart(lambda: list(RoutingEvent.objects.order_by("id")))
    apart(empty_log)


@pytest.fixture
def spool(tmp_path):
    spool = Spool(tmp_path / "spool", "test", 1024 * 1024)
    yield spool
    spool.close()


def line(**changes) -> bytes:
    event = {"id": uuid7(), "replica": "r", "request": None, "response": None, **EVENT, **changes}
    return orjson.dumps({name: value for name, value in event.items() if value is not ...})


def drain(spool) -> Writer:
    writer = Writer(spool)
    apart(writer.drain)
    return writer


def quarantined(spool) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(spool.folder.glob(f"*{QUARANTINE}")))


def test_spooled_events_become_rows_as_they_are(log, spool):
    steps = [{"rule": "route", "detail": "/sales belongs to sales", "ok": True}]
    spool.append(line(steps=steps, request={"a": [1]}, response="x", to="sip:a@b", **{"from": "+1555"}))
    spool.append(line(version=None))
    writer = drain(spool)
    first, second = log()
    assert (first.path, first.caller, first.dialled, first.version, first.steps) == (
        "/sales",
        "+1555",
        "sip:a@b",
        3,
        steps,
    )
    assert (first.request, first.response, second.version) == ({"a": [1]}, "x", None)
    assert (spool.pending, writer.quarantined) == (0, 0)


def test_lines_from_before_an_upgrade_that_lack_newer_words_are_rows_too(log, spool):
    spool.append(line())
    spool.append(line(request_id="edge-1", trace_id="a" * 32))
    writer = drain(spool)
    assert [(event.request_id, event.trace_id) for event in log()] == [("", ""), ("edge-1", "a" * 32)]
    assert writer.quarantined == 0


def test_draining_twice_stores_once(log, spool):
    spool.append(line())
    spool.append(line())
    drain(spool)
    drain(spool)
    spool.current.drained = 0  # as if the process had died between commit and noting it
    drain(spool)
    assert len(log()) == 2
    assert quarantined(spool) == b""


def test_a_dead_processs_events_are_stored_its_half_line_is_not_and_the_file_goes(log, spool):
    spool.folder.mkdir()
    path = spool.folder / "dead-1.jsonl"
    path.write_bytes(line(call_id="last") + b"\n" + line()[:-20] + bytes(5000))
    drain(spool)
    assert [event.call_id for event in log()] == ["last"]
    assert not path.exists()


def test_full_segments_are_removed_when_they_are_in_the_database(log, tmp_path):
    spool = Spool(tmp_path, "small", 2000)
    for number in range(20):
        spool.append(line(call_id=str(number)))
    assert len(list(tmp_path.glob("*.jsonl"))) > 3
    drain(spool)
    assert [event.call_id for event in log()] == [str(number) for number in range(20)]
    assert list(tmp_path.glob("*.jsonl")) == [spool.current.path]
    spool.close()


def test_more_than_a_batch_is_stored_whole(log, spool, monkeypatch):
    monkeypatch.setattr(writer_module, "BATCH_BYTES", 1000)
    for number in range(50):
        spool.append(line(call_id=f"{number:02}"))
    drain(spool)
    assert len(log()) == 50


POISON = {
    "no JSON": b"nonsense",
    "half a line": line()[:-30],
    "no object": b"[1, 2]",
    "a scalar": b"5",
    "no id": line(id=...),
    "an id that is none": line(id="x"),
    "no path": line(path=...),
    "null for a text": line(path=None),
    "a status out of range": line(status=70_000),
    "a status that is none": line(status="ok"),
    "microseconds out of range": line(microseconds=2**40),
    "NUL": line(path="a\0b"),
    "a lone surrogate": line(path="X").replace(b"X", b"\\ud800"),
    "bytes that are not UTF-8": line(path="X").replace(b"X", b"\xff\xfe"),
    "the marks of COPY": line(path="X").replace(b"X", b"\x01\x02\x02\x01"),
    "an open quote of COPY": b"\x02" + line(),
    "a carriage return": line(path="X").replace(b"X", b"\r"),
    "a number too large": line(request="X").replace(b'"X"', b"1e999999"),
    "a number too small": line(request="X").replace(b'"X"', b"1e-999999"),
    "nesting without end": line(request="X").replace(b'"X"', b"[" * 50_000 + b"]" * 50_000),
    "an index entry too long": line(call_id="".join(f"{number:x}" for number in range(6000))),
    "the end of COPY": b"\\.",
    "an empty line": b"",
}


@pytest.mark.parametrize("kind", POISON)
def test_a_poisoned_line_is_put_aside_and_the_others_are_stored(kind, log, spool):
    for number in range(5):
        spool.append(line(call_id=f"before {number}"))
    spool.append(POISON[kind])
    for number in range(6):
        spool.append(line(call_id=f"after {number}"))
    writer = drain(spool)
    stored = {event.call_id for event in log()}
    assert stored >= {f"before {number}" for number in range(5)} | {f"after {number}" for number in range(6)}
    assert spool.pending == 0
    if len(stored) == 11:
        if kind != "an empty line":
            assert quarantined(spool) == POISON[kind] + b"\n"
            assert writer.quarantined == 1
    else:
        assert quarantined(spool) == b""


def test_many_poisoned_lines_are_each_put_aside(log, spool):
    for number in range(8):
        spool.append(line(call_id=str(number)))
        spool.append(b"\x02 poison %d \x01" % number)
    writer = drain(spool)
    assert (len(log()), writer.quarantined) == (8, 8)
    assert quarantined(spool).count(b"poison") == 8


SURROGATES = st.text(st.characters(exclude_categories=()), max_size=20)
NASTY = st.one_of(
    SURROGATES,
    st.text("\0\n\r\t\x01\x02\x1b\x7f\x85\u2028\ud800\udfff\\\"u0a'.", max_size=20),
    st.sampled_from(["\\u0000", "\\\\u0000", "\\.", "\x02", "\x01,", "\n\\.\n", "\ud83d", "😀"]),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | NASTY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NASTY, inner, max_size=3),
    max_leaves=6,
)
BODIES = st.one_of(
    JSON.map(lambda value: json.dumps(value).encode()),
    JSON.map(lambda value: json.dumps(value, ensure_ascii=False, indent=1).encode(errors="replace")),
    st.binary(max_size=40),
    st.just(b""),
)
FIELDS = [
    "method",
    "path",
    "source",
    "route",
    "agent",
    "call_id",
    "sip_user",
    "from",
    "to",
    "function",
    "outcome",
    "detail",
]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.dictionaries(st.sampled_from(FIELDS), NASTY, max_size=12), BODIES), min_size=1, max_size=5)
)
def test_every_recorded_event_is_exactly_one_row(log, tmp_path_factory, events):
    spool = Spool(tmp_path_factory.mktemp("spool"), "test", 1024 * 1024)
    marks = [f"mark {uuid.uuid4()}" for _ in events]
    recorder = Recorder(spool, "r", Masker(django_settings.MASKED_KEYS), 4096)
    for mark, (fields, body) in zip(marks, events, strict=True):
        recorder.record({**EVENT, **fields, "kind": mark}, Excerpts(body, parse_json(body), b'{"a":1}'))
    writer = drain(spool)
    spool.close()
    kinds = apart(
        lambda: list(RoutingEvent.objects.filter(kind__in=marks).order_by("id").values_list("kind", flat=True))
    )
    assert sorted(kinds) == sorted(marks)
    assert writer.quarantined == 0


@pytest.mark.parametrize(
    "body",
    [
        b"[1e-20000]",
        b"[1e-999999999]",
        b"[1e308]",
        b"[-0.0]",
        b'{"a":' * 900 + b"1" + b"}" * 900,
        b"[" * 1000 + b"]" * 1000,
        b"9" * 300,
        b'{"a":1,"a":2}',
        b"[" * 2000,
    ],
)
def test_an_unusual_body_is_exactly_one_row(log, spool, body):
    recorder = Recorder(spool, "r", Masker(django_settings.MASKED_KEYS), 10_000)
    recorder.record(dict(EVENT), Excerpts(body, parse_json(body)))
    writer = drain(spool)
    assert (len(log()), writer.quarantined) == (1, 0)


def test_while_the_database_is_away_nothing_is_lost_and_then_all_is_stored(log, spool, monkeypatch, caplog):
    away = threading.Event()
    away.set()
    copy = writer_module.copy_batch

    def copy_batch(batch):
        if away.is_set():
            raise psycopg.OperationalError("server closed the connection\nmore")
        copy(batch)

    monkeypatch.setattr(writer_module, "copy_batch", copy_batch)
    monkeypatch.setattr(daemon, "RETRY_SECONDS", (0.01,))
    spool.append(line())
    writer = Writer(spool)
    writer.start()
    try:
        for _ in range(500):
            if writer.last_error:
                break
            threading.Event().wait(0.01)
        assert writer.last_error == "server closed the connection"
        assert spool.pending
        away.clear()
    finally:
        writer.stop(10)
    assert not writer.thread.is_alive()
    assert (writer.last_error, spool.pending, len(log())) == ("", 0, 1)


def test_an_event_that_comes_while_its_day_is_made_is_no_bad_one(log, spool, monkeypatch):
    """Another worker may attach the day's partition while the row is on its way into the default one."""
    today = datetime.now(UTC).date()

    def make() -> None:
        with transaction.atomic():
            partitions.make(today)

    def forget() -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {partitions.name_of(today)}")

    apart(forget)
    apart(make)
    try:
        spool.append(line())
        writer = Writer(spool)
        into = f"INSERT INTO {partitions.TABLE} ", f"INSERT INTO {partitions.DEFAULT} "
        statement = writer_module.move_statement()
        with monkeypatch.context() as late:
            late.setattr(writer_module, "move_statement", lambda: statement.replace(*into))
            with pytest.raises(psycopg.errors.CheckViolation, match="violates partition constraint"):
                apart(writer.drain)  # the daemon tries again
        apart(writer.drain)
        assert (writer.quarantined, quarantined(spool), spool.pending, len(log())) == (0, b"", 0, 1)
    finally:
        apart(forget)


def test_stopping_drains_what_is_there(log, spool):
    writer = Writer(spool)
    writer.start()
    spool.append(line())
    writer.stop(10)
    assert not writer.thread.is_alive()
    assert len(log()) == 1


def test_a_writer_outlives_its_own_bugs(log, spool, monkeypatch, caplog):
    copy = writer_module.copy_batch
    failures = iter([RuntimeError("a bug")])

    def copy_batch(batch):
        for error in failures:
            raise error
        copy(batch)

    monkeypatch.setattr(writer_module, "copy_batch", copy_batch)
    monkeypatch.setattr(daemon, "RETRY_SECONDS", (0.01,))
    spool.append(line())
    writer = Writer(spool)
    writer.start()
    for _ in range(500):
        if not spool.pending:
            break
        threading.Event().wait(0.01)
    writer.stop(10)
    assert len(log()) == 1
    assert "a bug" in caplog.text


def test_what_a_dead_process_left_is_stored_when_the_database_is_back(log, spool, monkeypatch):
    spool.folder.mkdir()
    path = spool.folder / "dead-1.jsonl"
    path.write_bytes(line(call_id="kept") + b"\n" + bytes(100))
    writer = Writer(spool)
    copy_batch = writer_module.copy_batch

    def away(_batch):
        raise OperationalError("connection refused")

    monkeypatch.setattr(writer_module, "copy_batch", away)
    with pytest.raises(OperationalError):
        apart(writer.drain)
    monkeypatch.setattr(writer_module, "copy_batch", copy_batch)
    apart(writer.drain)
    assert [event.call_id for event in log()] == ["kept"]
    assert not path.exists()


def test_many_numbers_that_postgres_cannot_hold_are_written_anew_at_once(log, spool, monkeypatch):
    batches = []
    copy_batch = writer_module.copy_batch
    monkeypatch.setattr(writer_module, "copy_batch", lambda batch: (batches.append(batch), copy_batch(batch))[1])
    for number in range(64):
        spool.append(line(call_id=str(number)).replace(b'"request":null', b'"request":[1e-99999]'))
    drain(spool)
    assert len(log()) == 64
    assert len(batches) == 2, "one refusal, one batch that is written anew; halving took 127"
