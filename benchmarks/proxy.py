"""A plain proxy for calls on connections of their own, where nginx is not installed: started by rolling_restart.py.

    python benchmarks/proxy.py PORT REPLICA REPLICA …

The replicas take turns. One that cannot be reached, or closes without a byte of an answer, has done nothing: the next
one is asked, as nginx does with `proxy_next_upstream error non_idempotent`.
"""

import asyncio
import itertools
import re
import sys
from collections.abc import Iterator

CONNECT_SECONDS, ANSWER_SECONDS = 1, 30


async def ask(port: int, request: bytes) -> bytes:
    """A replica's whole answer, empty if there was none."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except (OSError, TimeoutError):
        return b""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            writer.write(request)
            return await reader.read()
    except (OSError, TimeoutError):
        return b""
    finally:
        writer.close()


async def pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, turns: Iterator[int], replicas: list[int]
) -> None:
    """One call, which says `Connection: close`."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        request = head + await reader.readexactly(int(length[1]) if length else 0)
        first = next(turns)
        for number in range(len(replicas)):
            if answer := await ask(replicas[(first + number) % len(replicas)], request):
                writer.write(answer)
                await writer.drain()
                break
    except (OSError, asyncio.IncompleteReadError):
        pass  # the caller has gone
    finally:
        writer.close()


async def main() -> None:
    """Serve until ended."""
    port, *replicas = map(int, sys.argv[1:])
    turns = itertools.count()
    server = await asyncio.start_server(lambda *ends: pass_on(*ends, turns, replicas), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
