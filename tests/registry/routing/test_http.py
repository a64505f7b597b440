import asyncio
import json
import math

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agents.wire import MALFORMED
from registry.routing.http import (
    MAX_PARAMETERS,
    SECURITY_HEADERS,
    BodyTooLarge,
    BodyTooSlow,
    ClientGone,
    Http,
    parse_json,
    parse_query,
    read_body,
    respond,
)

MOST = 2**20  # bytes of a body
HTTP = Http(MOST, 30)
quick = settings(deadline=None, max_examples=200)


def read(*messages, declared=None, http=HTTP):
    """Read a body whose messages come one by one; a number is a pause in seconds."""
    waiting = list(messages)
    taken = []

    async def receive():
        if isinstance(waiting[0], float):
            await asyncio.sleep(waiting.pop(0))
        taken.append(waiting.pop(0))
        return taken[-1]

    async def run():
        return await read_body(receive, declared, http)

    try:
        return asyncio.run(run())
    finally:
        read.taken = len(taken)


def part(body=b"", *, more=False):
    return {"type": "http.request", "body": body, "more_body": more}


GONE = {"type": "http.disconnect"}


def test_a_body_comes_whole_or_in_parts_at_once_or_after_a_while():
    assert read(part(b"abc")) == b"abc"
    assert read({"type": "http.request"}) == b""
    assert read(part(b"a", more=True), part(b"b", more=True), part(b"c")) == b"abc"
    assert read(0.001, part(b"abc")) == b"abc"
    assert read(0.0, part(b"a", more=True), 0.001, part(b"bc")) == b"abc"
    assert read(part(b"a", more=True), {"type": "http.request"}) == b"a"


def test_a_body_may_be_as_long_as_the_limit_and_no_longer():
    body = b"x" * MOST
    assert read(part(body)) == body
    assert read(part(body[:-1], more=True), part(b"x")) == body
    with pytest.raises(BodyTooLarge):
        read(part(body + b"x"))
    with pytest.raises(BodyTooLarge):
        read(part(body, more=True), part(b"x"))


@pytest.mark.parametrize("declared", [b"%d" % (MOST + 1), b"9" * 5000])
def test_a_body_that_is_declared_too_large_is_not_read(declared):
    with pytest.raises(BodyTooLarge):
        read(part(b"x"), declared=declared)
    assert read.taken == 0


@pytest.mark.parametrize("declared", [b"", b"-1", b"abc", b"1e9", b"3", b"\xb2"])
def test_what_is_no_length_is_not_believed(declared):
    assert read(part(b"abc"), declared=declared) == b"abc"


def test_reading_stops_soon_after_the_limit():
    chunk = part(b"x" * 65536, more=True)
    with pytest.raises(BodyTooLarge):
        read(*[chunk] * 1000)
    assert read.taken <= MOST // 65536 + 1


def test_a_slow_body_is_given_up():
    impatient = Http(MOST, 0.02)
    with pytest.raises(BodyTooSlow):
        read(5.0, part(b"x"), http=impatient)
    with pytest.raises(BodyTooSlow):
        read(part(b"a", more=True), 5.0, part(b"x"), http=impatient)


def test_every_answer_has_the_security_headers_and_only_https_asks_for_https():
    assert HTTP.security_headers == SECURITY_HEADERS
    assert HTTP.json_headers == ((b"content-type", b"application/json"), *SECURITY_HEADERS)
    strict = Http(MOST, 30, https_only=True)
    added = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
    assert strict.security_headers == (*SECURITY_HEADERS, added)
    assert strict.json_headers == (*HTTP.json_headers, added)


def test_a_sender_that_goes_away_is_noticed():
    with pytest.raises(ClientGone):
        read(GONE)
    with pytest.raises(ClientGone):
        read(part(b"a", more=True), GONE)
    with pytest.raises(ClientGone):
        read(0.001, GONE)


def test_a_failing_server_is_not_hidden():
    async def receive():
        await asyncio.sleep(0)
        raise OSError("broken pipe")

    async def run():
        return await read_body(receive, None, HTTP)

    with pytest.raises(OSError, match="broken pipe"):
        asyncio.run(run())


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"", None),
        (b"null", None),
        (b"{}", {}),
        (b' {"a": [1, 2.5, "x"]}\n', {"a": [1, 2.5, "x"]}),
        (b'"\\ud83d"', "?"),
        (b'"a\\ud83d\\ude00"', "a\U0001f600"),
        (b'{"\\udc00": 1}', {"?": 1}),
    ],
)
def test_json_is_read_and_half_surrogates_are_replaced(body, value):
    assert parse_json(body) == value


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b'{"a": NaN}',
        b"\xff",
        b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        "{}".encode("utf-32"),
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b"{} {}",
        b"'a'",
        b'"\n"',
        b"1" * 5000,
        b"1e400",
        b"\0",
        b"{,}",
        b'"\\x"',
    ],
)
def test_what_is_not_json_is_malformed(body):
    assert parse_json(body) is MALFORMED


def serialisable(value):
    if value is not MALFORMED:
        again = orjson.loads(orjson.dumps(value))
        assert again == value or (isinstance(value, float) and math.isnan(value))


@quick
@given(st.binary(max_size=200))
@example(b"[" * 254 + b"]" * 254)
def test_any_bytes_are_read_and_the_value_can_be_serialised(body):
    serialisable(parse_json(body))


@pytest.mark.parametrize("depth", [255, 300, 900, 1024, 2000])
def test_nesting_of_any_depth_is_read_and_the_value_can_be_serialised(depth):
    for body in (
        b"[" * depth + b"]" * depth,
        b'{"a":' * depth + b"1" + b"}" * depth,
        b'["\\ud800",' * depth + b"1" + b"]" * depth,
    ):
        serialisable(parse_json(body))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=())), inner, max_size=4)
    ),
    max_leaves=10,
)


@quick
@given(JSON, st.sampled_from(["utf-8", "utf-16", "utf-8-sig", "latin-1"]))
def test_any_json_of_any_sender_is_read_or_malformed(value, encoding):
    text = json.dumps(value)
    parsed = parse_json(text.encode(encoding))
    serialisable(parsed)
    if encoding == "utf-8":
        assert parsed is not MALFORMED


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        (b"", {}),
        (b"a=1&b=2", {"a": "1", "b": "2"}),
        (b"a=1&a=2", {"a": "2"}),
        (b"a=x%20y+z&%62=%3D", {"a": "x y z", "b": "="}),
        (b"a", {"a": ""}),
        (b"a=b=c", {"a": "b=c"}),
        (b"call_id=%ff%ED%A0%80", {"call_id": "\ufffd\ufffd\ufffd\ufffd"}),
        (b"call_id=%", {"call_id": "%"}),
    ],
)
def test_a_query_is_read(query, parameters):
    assert parse_query(query) == parameters


def test_only_so_many_parameters_are_read():
    assert len(parse_query(b"&".join(b"a%d=1" % number for number in range(10_000)))) == MAX_PARAMETERS


@quick
@given(st.one_of(st.binary(max_size=100), st.text("%0aF+&=é", max_size=30).map(str.encode)))
def test_any_query_is_read_and_can_be_stored(query):
    for name, value in parse_query(query).items():
        orjson.dumps([name, value])


def test_an_answer_has_its_length_and_head_leaves_the_body_out():
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(respond(send, 200, b"abc", [(b"x", b"y")], head=True))
    assert sent == [
        {"type": "http.response.start", "status": 200, "headers": [(b"x", b"y"), (b"content-length", b"3")]},
        {"type": "http.response.body", "body": b""},
    ]
