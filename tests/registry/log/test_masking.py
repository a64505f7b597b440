import json

import pytest
from django.conf import settings as django_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.wire import MALFORMED
from registry.log.masking import MASK, Masker
from registry.log.recorder import Excerpts, Recorder
from registry.routing.http import parse_json
from tests.client import MemorySpool

SECRET = "hunter2hunter2"
LIMIT = 600
KEYS = list(django_settings.MASKED_KEYS)


def record(body: bytes, limit: int = LIMIT, **event) -> bytes:
    """The line that is written for a request with this body."""
    spool = MemorySpool()
    Recorder(spool, "test", Masker(KEYS), limit).record({"kind": "swml", **event}, Excerpts(body, parse_json(body)))
    (line,) = spool.lines
    return line


def mixed(text: str) -> st.SearchStrategy[str]:
    """A text in any mixture of upper and lower case."""
    return st.lists(st.booleans(), min_size=len(text), max_size=len(text)).map(
        lambda choices: "".join(c.upper() if up else c for c, up in zip(text, choices, strict=True))
    )


HARMLESS = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8)
MASKED = st.sampled_from(KEYS).flatmap(mixed)
PLANTED = st.one_of(
    # under a masked key, whatever the value is
    st.tuples(MASKED, st.sampled_from([SECRET, [SECRET], {"a": SECRET}, {"a": [{"b": SECRET}]}, f'"{SECRET}'])).map(
        lambda pair: {pair[0]: pair[1]}
    ),
    # as a SIP header
    MASKED.map(lambda key: {"name": key, "value": SECRET}),
    # in a URL's userinfo, as its token, or as a scheme with its credentials
    st.sampled_from(
        [
            f"https://user:{SECRET}@example.com/x",
            f"see wss://{SECRET}@example.com",
            f"https://example.com/swaig/?__token={SECRET}",
            f"https://example.com/swaig/?a=b&token={SECRET}&c=d",
            f"Basic {SECRET}==",
            f"Authorization: bearer {SECRET}",
        ]
    ).map(lambda text: {"harmless": text}),
)
TREES = st.recursive(
    PLANTED | HARMLESS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
DUMPS = st.sampled_from(
    [
        lambda value: json.dumps(value).encode(),
        lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace"),
        lambda value: json.dumps(value, indent=1).encode(),
    ]
)


@settings(deadline=None, max_examples=300)
@given(TREES, PLANTED, DUMPS)
def test_no_secret_in_a_request_reaches_the_log(tree, planted, dumps):
    line = record(dumps({"tree": tree, "planted": planted}), limit=1_000_000)
    assert SECRET.encode() not in line
    json.loads(line)


@settings(deadline=None, max_examples=300)
@given(TREES, PLANTED, DUMPS, st.integers(0, LIMIT))
def test_no_secret_in_a_long_request_reaches_the_log_wherever_it_is_cut_off(tree, planted, dumps, before):
    line = record(dumps({"before": "x" * before, "planted": planted, "tree": tree, "after": "y" * LIMIT}))
    assert SECRET.encode() not in line
    json.loads(line)


@settings(deadline=None, max_examples=100)
@given(PLANTED, DUMPS, st.integers(0, 40))
def test_no_secret_in_malformed_json_reaches_the_log(planted, dumps, cut):
    body = dumps({"planted": planted})
    body = body[: len(body) - 1 - cut]
    if parse_json(body) is MALFORMED:
        assert SECRET.encode() not in record(body)


@settings(deadline=None, max_examples=100)
@given(st.sampled_from(["path", "call_id", "from", "to", "detail", "function", "source"]), PLANTED)
def test_no_secret_in_any_field_reaches_the_log(field, planted):
    text = planted.get("harmless", "")
    assert SECRET.encode() not in record(b"", **{field: f"before {text} after"})


def test_a_url_with_escaped_slashes_is_masked_too():
    assert SECRET.encode() not in record(b'{"url": "https:\\/\\/user:%s@example.com\\/"}' % SECRET.encode())


def test_a_url_that_is_cut_off_in_its_userinfo_is_masked_too():
    for before in range(LIMIT - 60, LIMIT):
        line = record(b'{"x": "%s", "url": "https://user:%s@example.com/"}' % (b"x" * before, SECRET.encode()))
        assert SECRET[:6].encode() not in line


def test_a_key_that_is_written_with_escapes_is_masked_too():
    assert SECRET.encode() not in record(b'{"pass\\u0077ord": "%s"}' % SECRET.encode())
    long = b'{"pass\\u0077ord": "%s", "x": "%s"}' % (SECRET.encode(), b"x" * LIMIT)
    assert SECRET.encode() not in record(long)


def test_what_is_harmless_stays_as_it_is():
    value = {"function": "go", "tokens": 5, "passwords": "are bad", "name": "x", "value": "y", "list": [1, {"a": None}]}
    line = json.loads(record(json.dumps(value).encode()))
    assert line["request"] == value


def test_a_masked_value_shows_that_there_was_one():
    line = json.loads(record(b'{"Password": "x", "headers": [{"name": "AUTHORIZATION", "value": "Basic x"}], "a": 1}'))
    assert line["request"] == {"Password": MASK, "headers": [{"name": "AUTHORIZATION", "value": MASK}], "a": 1}


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        (b'"http://u:p@h/sales"', b'"http://***@h/sales"'),
        (b'"http://u:p@h/ and https://x:y@h"', b'"http://***@h/ and https://***@h"'),
        (b'"/x?__token=abc&b=c"', b'"/x?__token=***&b=c"'),
        (b'"Basic dTpwdTpw"', b'"Basic ***"'),
        (b'"a@b.example http://h/x@y"', b'"a@b.example http://h/x@y"'),
        (b'"nothing"', b'"nothing"'),
    ],
)
def test_a_line_is_masked_where_the_secret_stands_and_nowhere_else(line, masked):
    assert Masker(KEYS).line(line) == masked


def test_keys_of_any_number_are_remembered_in_bounds():
    masker = Masker(["secret"])
    for number in range(500):
        assert not masker.suspects({f"{number}-{key}": 1 for key in range(50)})
    assert len(masker.harmless) < 10_100
    assert masker.suspects({"a": [{"Secret": 1}]})


def test_without_keys_nothing_is_masked_by_key():
    masker = Masker([])
    assert masker.text(b'{"password": "x"}') == b'{"password": "x"}'
    assert not masker.suspects({"password": "x"})


def test_keys_of_any_length_are_not_remembered():
    masker = Masker(["password"])
    assert not masker.suspects({"k" * 60_000: 1, "short": 2})
    assert masker.harmless == {"short"}
