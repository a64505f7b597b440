"""What a filter lets through."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.log.filters import (
    MAX_TERMS,
    MAX_TEXT,
    NUMBERS,
    SEARCHED,
    SWITCHES,
    WORDS,
    Filter,
    FilterError,
    condition_text,
)

EVENT: dict[str, Any] = {
    "id": "0", "replica": "r-1", "kind": "swaig", "method": "POST", "path": "/sales/swaig", "source": "192.0.2.7",
    "route": "/sales", "agent": "Sales", "version": 3, "call_id": "C-77", "sip_user": "help-desk",
    "from": "+1 555 0100",
    "to": "sip:sales@example.com", "function": "get_pricing", "status": 500, "outcome": "error", "detail": "Boom: late",
    "microseconds": 800_000, "steps": [], "request_id": "Edge-1", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "channel": "voice", "query": "lang=es&tier=Gold", "digest": "0123456789abcdef", "replayable": True,
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("   ", True),
        ("agent:sales", True),
        ("agent:SALES", True),
        ("agent:sale", False),
        ("call:C-77 fn:get_pricing", True),
        ("call:c-77", False),
        ("call:C-77 fn:other", False),
        ('from:"+1 555 0100"', True),
        ("from:+1", False),
        ("to:sip:sales@example.com", True),
        ("kind:swaig method:post path:/sales/swaig route:/sales sip:help-desk source:192.0.2.7 replica:r-1", True),
        ("outcome:error", True),
        ("outcome:ok", False),
        ("request:Edge-1 trace:4BF92F3577B34DA6A3CE929D0E0E4736", True),
        ("request:edge-1", False),
        ("request:0", False),  # it is known by its sender's id
        ("ms:800", True),
        ("ms:>=800 ms:<=800", True),
        ("ms:>800", False),
        ("ms:<800", False),
        ("ms:>799.9", True),
        ("status:500", True),
        ("status:>=500", True),
        ("status:<500", False),
        ("version:3", True),
        ("version:>3", False),
        ("pricing", True),
        ("PRICING boom", True),
        ("pricing nothing", False),
        ('"boom: late"', True),
        ('"boom:  late"', False),
        ('""', True),
        ("swaig", True),
        ("192.0.2.7", False),  # addresses are asked for by their word
        ("500", False),
        ("channel:Voice digest:0123456789ABCDEF", True),
        ("channel:test", False),
        ("digest:0123456789abcde0", False),
        ("lang=es tier=gold", True),
        ("lang=en", False),
        ("replayable:yes", True),
        ("replayable:No", False),
        ("-replayable:no", True),
        ("-kind:test", True),
        ("-kind:swaig", False),
        ("-version:4 -version:<3", True),
        ("-pricing", False),
        ('-"boom: late"', False),
        ("-boom -nothing", False),
        ("-", True),  # is looked for
        ("--", False),
        ("--nothing", True),
        ('"-boom"', False),
    ],
)
def test_what_a_filter_lets_through(text: str, expected: bool) -> None:
    assert Filter.parse(text).matches(EVENT) is expected


@given(st.text(min_size=1, max_size=60))
def test_a_condition_is_typed_so_that_it_means_its_value(value: str) -> None:
    (term,) = Filter.parse(condition_text("call", value)).terms
    assert (term.column, term.value, term.without) == ("call_id", value, False)
    (term,) = Filter.parse(condition_text("", value)).terms
    assert (term.column, term.value, term.without) == ("", value.casefold(), False)


def test_an_unknown_version_is_neither_less_nor_more() -> None:
    event = {**EVENT, "version": None}
    assert Filter.parse("-version:3").matches(event)
    for text in ("version:3", "version:>0", "version:<9", "version:>=0"):
        assert not Filter.parse(text).matches(event)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("agnet:sales", "agnet: is not known; use agent, call"),
        ("http://x", "put a text with a colon in quotes"),
        ("ms:fast", "ms: needs a number, such as ms:>800, not 'fast'"),
        ("ms:>", "needs a number"),
        ("ms:=5", "needs a number"),
        ("ms:-5", "needs a number"),
        ('status:"> 5"', "needs a number"),
        ("version:1e3", "needs a number"),
        ("replayable:maybe", "replayable: is yes or no, not 'maybe'"),
        ('replayable:""', "replayable: is yes or no, not ''"),
        ("x" * (MAX_TEXT + 1), f"longer than {MAX_TEXT}"),
        (" ".join(f"a{n}" for n in range(MAX_TERMS + 1)), f"more than {MAX_TERMS} conditions"),
    ],
)
def test_what_is_no_filter_is_refused_in_words(text: str, said: str) -> None:
    with pytest.raises(FilterError, match=r".") as refused:
        Filter.parse(text)
    assert said in str(refused.value)


def test_what_is_said_twice_is_one_condition() -> None:
    words = [f"a{n}" for n in range(MAX_TERMS)]
    assert len(Filter.parse(" ".join(words * 2)).terms) == MAX_TERMS


def test_equal_filters_are_one_however_they_were_typed() -> None:
    texts = [
        "agent:Sales ms:>800 refill",
        "  refill   ms:>800.0 agent:sales",
        'refill agent:"sales" agent:sales ms:>800',
    ]
    assert len({Filter.parse(text) for text in texts}) == 1


def test_every_word_looks_at_a_column_that_is_there() -> None:
    assert {*WORDS.values(), *(column for column, _ in NUMBERS.values()), *SWITCHES.values(), *SEARCHED} <= EVENT.keys()


TEXT = st.text(max_size=30)
OTHERS = {
    "version": st.none() | st.integers(),
    "status": st.integers(),
    "microseconds": st.integers(),
    "steps": st.just([]),
    "replayable": st.booleans(),
}
EVENTS = st.fixed_dictionaries(dict.fromkeys(EVENT.keys() - OTHERS.keys(), TEXT) | OTHERS)
WORD = st.sampled_from([*WORDS, *NUMBERS, *SWITCHES, "x"])
TERMS = st.builds("{}:{}{}".format, WORD, st.sampled_from(["", ">", "<=", '"']), TEXT | st.just("7"))


@given(st.one_of(TEXT, st.lists(TERMS | TEXT, max_size=5).map(" ".join)), EVENTS)
def test_odd_input_is_a_filter_or_refused(text: str, event: dict[str, Any]) -> None:
    try:
        wanted = Filter.parse(text)
    except FilterError:
        return
    assert wanted.matches(event) in (True, False)
    assert hash(wanted) == hash(Filter.parse(text))


@given(st.sampled_from(sorted(WORDS)), st.text("abc \t:<>%'\\éß", min_size=1, max_size=10))
def test_a_quoted_value_finds_itself_and_nothing_else(word: str, value: str) -> None:
    wanted = Filter.parse(f'{word}:"{value}"')
    assert wanted.matches({**EVENT, WORDS[word]: value})
    assert not wanted.matches({**EVENT, WORDS[word]: value + "x"})
