"""The two things that this package is started for: to look at an agent once, or to have agents forked off."""

import asyncio
import contextlib
import json
import os
import sys
from typing import Any

from . import build, notes, survey, zygote


def inspect() -> None:
    """Read an order from standard input, write what was seen to the descriptor that is named."""
    answer_fd = int(sys.argv[2])
    order = json.load(sys.stdin)
    os.dup2(2, 1)  # what an agent prints is no answer
    zygote.limit_memory(order["memory"])
    with os.fdopen(answer_fd, "w") as answer:
        json.dump(looked_at(order), answer)
        answer.flush()
        os._exit(0)  # an agent's threads may never end


def looked_at(order: dict[str, Any]) -> dict[str, Any]:
    """What was seen, or why nothing was."""
    notes.listen()
    try:
        if order.get("list"):
            build.prepare(order)
            script = build.run_script(order)
            code = survey.digest(order["path"])
            seen = survey.look_at_script(script, order)
        else:
            agent = build.build(order)
            code = survey.digest(order["path"])  # now, as a host does it: what is loaded later is not in it
            seen = asyncio.run(survey.look(agent, order))
    except build.CannotLoad as error:
        return {"failed": str(error)}
    except BaseException as error:  # noqa: BLE001 - its code may do anything
        with contextlib.suppress(Exception):
            sys.excepthook(type(error), error, error.__traceback__)
        return {"failed": f"it cannot be built: {notes.sentence(error)}"}
    return {"seen": seen, "code": code}


if __name__ == "__main__":
    inspect() if sys.argv[1] == "inspect" else zygote.main(int(sys.argv[2]))
