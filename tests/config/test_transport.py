import asyncio

import pytest

from config.transport import MOST_HELD, WholeAnswers
from registry.routing.http import Response

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
LARGE = b"x" * MOST_HELD


class Transport:
    """Remembers what is written to it."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.written.append(b"closed")

    def is_closing(self) -> bool:
        return self.written[-1:] == [b"closed"]


def written(*steps: bytes | str) -> list[bytes]:
    """What reaches the wire of these writes; "turn" is a turn of the event loop, "close" a close."""

    async def run() -> list[bytes]:
        inner = Transport()
        transport = WholeAnswers(inner, asyncio.get_running_loop())  # type: ignore[arg-type]
        for step in steps:
            if step == "turn":
                await asyncio.sleep(0)
            elif step == "close":
                transport.close()
            else:
                assert isinstance(step, bytes)
                transport.write(step)
        await asyncio.sleep(0)
        assert transport.is_closing() == ("close" in steps)
        return inner.written

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("steps", "wire"),
    [
        ([HEAD, b"body"], [HEAD + b"body"]),
        ([HEAD, b"one", b"two"], [HEAD + b"onetwo"]),
        ([HEAD, b""], [HEAD]),
        ([HEAD, "turn", b"late"], [HEAD, b"late"]),
        ([HEAD], [HEAD]),
        ([HEAD, "close"], [HEAD, b"closed"]),
        ([HEAD, "close", b"late"], [HEAD, b"closed"]),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", HEAD, b"x"], [b"HTTP/1.1 100 Continue\r\n\r\n", HEAD + b"x"]),
        ([HEAD, b"a", HEAD, b"b"], [HEAD + b"a" + HEAD + b"b"]),
        ([HEAD, b"a", "turn", b"b", b"c"], [HEAD + b"a", b"b", b"c"]),
        ([HEAD, LARGE, LARGE], [HEAD + LARGE, LARGE]),
        ([HEAD, HEAD, b"b"], [HEAD + HEAD + b"b"]),
    ],
)
def test_an_answer_is_sent_in_one_piece_and_never_held_back(steps: list[bytes | str], wire: list[bytes]) -> None:
    assert written(*steps) == wire


async def test_all_connections_answers_of_a_turn_are_sent_at_its_end_but_for_those_who_have_gone() -> None:
    loop = asyncio.get_running_loop()
    inner = [Transport() for _ in range(3)]
    answers = [WholeAnswers(each, loop) for each in inner]  # type: ignore[arg-type]
    for number, each in enumerate(answers):
        each.send(Response(200, (), b"%d" % number), [])
    assert [each.written for each in inner] == [[], [], []]
    inner[1].close()
    await asyncio.sleep(0)
    assert [each.written[-1][-1:] for each in inner] == [b"0", b"d", b"2"]
    assert WholeAnswers.waiting == []
