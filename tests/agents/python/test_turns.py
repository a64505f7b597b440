"""Few agents are built at once, and first those that somebody waits for."""

import asyncio

from agents.python.turns import Turns


async def settle() -> None:
    """Let all tasks go on as far as they can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_turns_go_round_in_order_and_whoever_is_asked_for_is_next() -> None:
    turns = Turns(at_once=2, seconds=60)
    began: list[str] = []

    async def build(who: str) -> None:
        await turns.take(who)
        began.append(who)

    tasks = [asyncio.create_task(build(who)) for who in "abcde"]
    await settle()
    assert began == ["a", "b"]
    turns.hurry("e")
    turns.hurry("a")  # has its turn already
    turns.give_back("a")
    turns.give_back("a")
    await settle()
    assert began == ["a", "b", "e"]
    for who in "bec":
        turns.give_back(who)
    await settle()
    assert began == ["a", "b", "e", "c", "d"]
    turns.give_back("d")
    assert not turns.taken
    await asyncio.gather(*tasks)


async def test_a_turn_that_takes_too_long_holds_up_nobody() -> None:
    turns = Turns(at_once=1, seconds=0)
    await turns.take("waits for the network")
    await asyncio.wait_for(turns.take("another"), 5)


async def test_whoever_does_not_wait_any_more_loses_nobody_a_turn() -> None:
    turns = Turns(at_once=1, seconds=60)
    await turns.take("first")
    gone, stays = (asyncio.create_task(turns.take(who)) for who in ("gone", "stays"))
    await settle()
    gone.cancel()
    turns.give_back("first")
    await asyncio.wait_for(stays, 5)
    assert turns.taken == {"stays"}
