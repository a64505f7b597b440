import json
import time
import uuid

import orjson
import pytest

from registry.log.ids import uuid7
from registry.log.masking import Masker
from registry.log.recorder import MAX_FIELD, Excerpts, Recorder, short
from registry.routing.http import parse_json
from registry.routing.table import Step
from tests.client import MemorySpool

LIMIT = 100


def record(body: bytes = b"", *, answer: bytes = b"", **event):
    spool = MemorySpool()
    Recorder(spool, "replica-1", Masker(["password"]), LIMIT).record(event, Excerpts(body, parse_json(body), answer))
    (line,) = spool.lines
    assert b"\n" not in line
    assert b"\r" not in line
    assert b"\\u0000" not in line.replace(b"\\\\", b"")
    return json.loads(line)


def test_an_event_has_an_id_of_now_and_the_replica():
    before = time.time_ns() // 1_000_000
    event = record(kind="swml")
    identity = uuid.UUID(event["id"])
    assert identity.version == 7
    assert identity.variant == uuid.RFC_4122
    assert before <= identity.int >> 80 <= time.time_ns() // 1_000_000
    assert (event["replica"], event["kind"]) == ("replica-1", "swml")


def test_ids_are_in_the_order_of_their_time_and_no_two_are_the_same():
    ids = [uuid7() for _ in range(2000)]
    assert len(set(ids)) == 2000
    times = [identity[:15] for identity in ids]
    assert times == sorted(times)


def test_a_short_body_and_the_answer_are_kept_as_they_are():
    event = record(b'{"a": [1, "x"]}', answer=b'{"response":"y"}')
    assert (event["request"], event["response"]) == ({"a": [1, "x"]}, {"response": "y"})
    assert (record()["request"], record()["response"]) == (None, None)


def test_a_long_body_is_cut_off_to_a_text():
    event = record(json.dumps({"a": "x" * LIMIT}).encode(), answer=json.dumps({"b": "y" * LIMIT}).encode())
    assert event["request"].startswith('{"a":"xxx')
    assert len(event["request"]) == len(event["response"]) == LIMIT


def test_a_body_that_is_no_json_is_kept_as_text():
    assert record(b"{nonsense \xff\n\x00")["request"] == "{nonsense \ufffd\n\ufffd"


@pytest.mark.parametrize(
    "body",
    [
        b'{\n"a":\r\n1}',
        b'{"a": "\\u0000"}',
        b'{"a": "\\ud800"}',
        b'{"a": "\\\\u0000"}',
        b'{"\\u0000": 1}',
        b"5",
        b'"x"',
        b"null",
        b"[]",
        b"123456789012345678901234567890",
    ],
)
def test_any_body_is_one_line(body):
    record(body)


@pytest.mark.parametrize("depth", [200, 255, 400, 1000])
@pytest.mark.parametrize("space", [b"", b"\n"])
def test_recording_never_raises_however_deep_a_body_is_nested(depth, space):
    spool = MemorySpool()
    recorder = Recorder(spool, "r", Masker(["password"]), 100_000)
    for body in (
        space + b"[" * depth + b"]" * depth,
        space + b'{"a":' * depth + b"1" + b"}" * depth,
        space + b'{"password":' * depth + b"1" + b"}" * depth,
        space + b"[" * depth + b'{"password":"x"}' + b"]" * depth,
    ):
        recorder.record({"kind": "swml"}, Excerpts(body, parse_json(body)))
    assert len(spool.lines) == 4
    for line in spool.lines:
        orjson.loads(line)


@pytest.mark.parametrize("field", ["path", "call_id", "from", "to", "detail", "function", "method"])
@pytest.mark.parametrize("value", ["\ud800x", "a\0b", "a\nb\r", "\x01\x02\x1b", "\u2028\x85", '"\\', "\\u0000"])
def test_any_text_in_any_field_is_one_line(field, value):
    event = record(b'{"a":1}', answer=b"{}", **{field: value, "steps": [Step("sip", value).json]})
    assert "\0" not in event[field]
    assert event["request"] == {"a": 1}, "the rest of the event is kept"


def test_fields_that_callers_choose_are_texts_of_bounded_length():
    assert short("x" * 1000) == "x" * MAX_FIELD
    assert [short(value) for value in (None, 5, ["a"], {"a": 1}, True, "a")] == ["", "", "", "", "", "a"]
