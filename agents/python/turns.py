"""Who may build an agent now: after a start all have to be built, and if all are at once, all take until the end."""

import asyncio
import os

AT_ONCE = max(2, os.cpu_count() or 1)  # agents that a worker has built; building is all work
TURN_SECONDS = 2  # then others may begin, too: this one may just wait for something


class Turns:
    """Hands out turns, in order, but first to those that somebody waits for."""

    def __init__(self, at_once: int = AT_ONCE, seconds: float = TURN_SECONDS):
        self.at_once = at_once
        self.seconds = seconds
        self.taken: set[object] = set()
        self.waiting: dict[object, asyncio.Future[None]] = {}

    async def take(self, who: object) -> None:
        """Wait for a turn. It ends by `give_back`, or after its time."""
        loop = asyncio.get_running_loop()
        if len(self.taken) >= self.at_once:
            self.waiting[who] = turn = loop.create_future()
            await turn
        else:
            self.taken.add(who)
        loop.call_later(self.seconds, self.give_back, who)

    def hurry(self, who: object) -> None:
        """Somebody waits for this one: it is next."""
        turn = self.waiting.pop(who, None)
        if turn is not None:
            self.waiting = {who: turn, **self.waiting}

    def give_back(self, who: object) -> None:
        """Let the next one begin, if this one had a turn."""
        if who in self.taken:
            self.taken.remove(who)
            while self.waiting and len(self.taken) < self.at_once:
                following = next(iter(self.waiting))
                turn = self.waiting.pop(following)
                if not turn.done():
                    self.taken.add(following)
                    turn.set_result(None)
