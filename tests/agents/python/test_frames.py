"""What a worker and its hosts say to each other arrives whole, in whatever pieces it comes."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.python.switchboard_host.frames import LENGTHS, MAX_FRAME, FrameError, Frames, Head, frame
from agents.python.zygote import framed
from tests.agents.strategies import quick

texts = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)
heads = st.dictionaries(
    texts, st.none() | st.integers(-(2**53), 2**53) | texts | st.lists(texts, max_size=3), max_size=4
)


def fed(*pieces: bytes) -> list[tuple[Head, bytes]]:
    """What arrives."""
    taken: list[tuple[Head, bytes]] = []
    frames = Frames(lambda head, body: taken.append((head, body)))
    for piece in pieces:
        frames.feed(piece)
    return taken


@quick
@given(st.lists(st.tuples(heads, st.binary(max_size=60)), max_size=5), st.lists(st.integers(0, 400), max_size=6))
def test_messages_arrive_whole_and_in_order_however_they_are_cut(
    messages: list[tuple[Head, bytes]], cuts: list[int]
) -> None:
    data = b"".join(
        frame(head, body) if number % 2 else framed(head, body) for number, (head, body) in enumerate(messages)
    )
    places = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    assert fed(*[data[a:b] for a, b in itertools.pairwise(places)]) == messages


@quick
@given(st.binary(min_size=8, max_size=200))
def test_garbage_is_an_error_or_waits_for_more_and_nothing_else(data: bytes) -> None:
    try:
        taken = fed(data)
    except FrameError:
        return
    for head, _ in taken:
        assert json.loads(json.dumps(head)) == head


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (LENGTHS.pack(MAX_FRAME + 1, 2), "too large"),
        (LENGTHS.pack(3, 0), "too large, or none"),
        (LENGTHS.pack(10, 7), "too large, or none"),
        (LENGTHS.pack(5, 1) + b"{", "no JSON"),
        (LENGTHS.pack(6, 2) + b"[]", "no object"),
        (b"\xff" * 8, "too large"),
    ],
)
def test_what_is_no_message_is_said(data: bytes, words: str) -> None:
    with pytest.raises(FrameError, match=words):
        fed(data)


def test_a_body_may_hold_anything() -> None:
    body = bytes(range(256)) * 100
    assert fed(frame({"i": 1}, body)) == [({"i": 1}, body)]
    assert fed(framed({}, b"")) == [({}, b"")]
