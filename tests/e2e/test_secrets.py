"""Secrets sent to a real server in every way, and then a search of all that it stored, logged and showed."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.agents.outbound import webhook_server as author
from tests.e2e.server import Server
from tests.e2e.test_webhooks import running
from tests.e2e.watching import messages, sign_in, socket

BODY = "b0dy-s3cret"
CRM, MCP, HOOK = "crm-s3cret-of-env", "mcp-s3cret-of-env", "hook-s3cret-of-env"
PASSWORD, WRONG, SIGNING_KEY = "the-agents-p4ssword", "a-wr0ng-password", "the-s1gning-key"
FLEET, KEY = "the-fleets-p4ssword", "the replicas' common key"


async def echo(peer: author.Peer) -> None:
    """Answer with all that came, headers first."""
    while True:
        request = await peer.request()
        said = f"{request.line} {request.headers} {request.body.decode()}"
        if "page" in request.line:
            await peer.send(author.answer(f"<html>{said}</html>".encode(), "500 Oops", content_type="text/html"))
        else:
            await peer.send(author.answer(json.dumps({"response": said, "action": [{"say": said}]}).encode()))


def definition(url: str) -> str:
    """An agent with a secret in every place where a definition may refer to one."""
    arguments = {"type": "object", "properties": {"password": {"type": "string", "maxLength": 40}}}
    headers = {"Authorization": "Bearer env:AGENT_SECRET_CRM", "X-Custom": "env:AGENT_SECRET_CRM"}
    handlers = {
        "ask": {"webhook": {"url": url, "headers": headers}},
        "hook": {"webhook": {"url": "env:AGENT_SECRET_HOOK", "headers": headers}},
        "page": {"webhook": {"url": f"{url}/page", "headers": headers}},
        "say": {"reply": "You said ${args.password}."},
        "transfer": {"transfer": "desk"},
    }
    mcp = {"url": "https://mcp.example.com", "headers": {"X-K": "env:AGENT_SECRET_MCP"}}
    return json.dumps(
        {
            "prompt": {"text": "You help."},
            "mcp": True,
            "mcp_servers": [mcp],
            "post_prompt": {"text": "Summarise."},
            "functions": {
                name: {"description": name, "secure": False, "parameters": arguments, "handler": handler}
                for name, handler in handlers.items()
            },
        }
    )


def all_rows(url: str) -> str:
    """Every row of every table, as text."""
    found: list[str] = []
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        assert len(tables) > 20
        for (table,) in tables:
            rows = connection.execute(sql.SQL("SELECT to_jsonb(t)::text FROM {} t").format(sql.Identifier(table)))
            found += [f"{table}: {row[0]}" for row in rows]
    return "\n".join(found)


def ask_in_every_way(server: Server, token: str) -> int:
    """All kinds of requests with secrets in them; how many there were."""
    count = 0
    headers = {"Referer": f"https://h/?__token={token}", "Cookie": f"session={BODY}", "X-Signalwire-Signature": BODY}
    nested = {"password": BODY, "API_KEY": BODY, "headers": [{"name": "Authorization", "value": f"Basic {BODY}"}]}
    body: dict[str, Any] = {
        "call_id": "C1",
        "call": {"to": f"sip:desk:{BODY}@example.com", "headers": [{"name": "Referer", "value": f"h?__token={token}"}]},
        "argument": {"parsed": [nested], "raw": json.dumps(nested)},
        "urls": [f"https://u:{BODY}@h/", f"https://h/?password={BODY}&token={token}"],
    }
    query = f"__token={token}&password={BODY}&call_id=C1"
    for hidden in (
        f"__TOKEN={token}&PassWord={BODY}&%70assword={BODY}&t%6fken={token}",
        f"see=https%3A%2F%2Fu%3A{BODY}%40h%2F&next=%2Fx%3F__token%3D{token}%26password%3D{BODY}",
        f"see=https://u:{BODY}@h/&b=Bearer+{BODY}&crm={CRM}&j=%7B%22password%22%3A%22{BODY}%22%7D",
    ):
        for auth in (f"u:{PASSWORD}", None):
            server.get(f"/desk?{hidden}", auth=auth)
            server.post(f"/desk/swaig?{hidden}", {"function": "say"}, auth=auth)
            count += 2
    for auth in (f"u:{PASSWORD}", f"u:{WRONG}", f"f:{FLEET}", None):
        for path in ("/desk", "/signed", "/sip", "/nobody"):
            for sub_path in (
                "",
                "/debug",
                "/swaig",
                "/post_prompt",
                "/check_for_input",
                "/debug_events",
                "/mcp",
                "/sip",
            ):
                where = f"{path}{sub_path}?{query}"
                server.get(where, auth=auth, headers=headers)
                server.post(where, body, auth=auth, headers=headers)
                server.post(where, raw=json.dumps(body).encode()[:-9], auth=auth, headers=headers)
                server.post(where, raw=f"password={BODY}".encode(), auth=auth, headers=headers)
                server.post(where, body, auth=auth, headers={**headers, "Content-Type": "text/plain"})
                count += 5
        for function in ("ask", "hook", "page", "say", "transfer"):
            arguments = {"parsed": [{"password": BODY}], "raw": json.dumps({"password": BODY})}
            sent = {**body, "function": function, "argument": arguments}
            said = server.post(f"/desk/swaig?{query}", sent, auth=auth).text
            assert auth != f"u:{PASSWORD}" or {
                "ask": CRM, "hook": HOOK, "page": "went wrong", "say": BODY, "transfer": PASSWORD,
            }[function] in said  # fmt: skip
            tool = {"name": function, "arguments": {"password": BODY}}
            call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": tool}
            server.post(f"/desk/mcp?{query}", call, auth=auth)
            count += 2
        server.post("/desk", raw=b'"%s"' % (BODY.encode() * 200_000), auth=auth, headers=headers)
        count += 1
    server.get(f"/dashboard/?password={BODY}&__token={token}")
    server.get(f"/admin/nothing/?password={BODY}&__token={token}")
    return count


def test_no_secret_is_stored_logged_or_shown(make_server: Callable[..., Server], tmp_path: Path) -> None:
    with running(echo) as server_of_author:
        hook = f"{server_of_author.url}?key={HOOK}"
        server = make_server(
            workers=2, WEBHOOK_ALLOWED_HOSTS="127.0.0.1", SWML_BASIC_AUTH_USER="f", SWML_BASIC_AUTH_PASSWORD=FLEET,
            AGENT_SECRET_CRM=CRM, AGENT_SECRET_MCP=MCP, AGENT_SECRET_HOOK=hook, LOG_FSYNC="true", LOG_LEVEL="DEBUG",
            SECRET_KEY=KEY, AGENT_SECRET_SIGN=SIGNING_KEY,
        )  # fmt: skip
        file = tmp_path / "agent.json"
        file.write_text(definition(server_of_author.url))
        for name, more in (("desk", ()), ("signed", ("--signing-key", "env:AGENT_SECRET_SIGN"))):
            server.command(
                "register", name, "--route", f"/{name}", "--file", str(file), "--basic-auth", f"u:{PASSWORD}", *more
            )
        url = server.get("/desk?call_id=C1", auth=f"u:{PASSWORD}").ai["post_prompt_url"]
        token = url.partition("__token=")[2]
        assert (len(token), PASSWORD in url) == (48, True)
        cookie = sign_in(server)
        shown: list[str] = []

        async def watch() -> int:
            async with socket(server, cookie, rate=1000) as viewer:
                await messages(viewer)
                asked = asyncio.create_task(asyncio.to_thread(ask_in_every_way, server, token))
                seen = 0
                while not asked.done() or seen < asked.result() / 2:  # strangers' are folded
                    try:
                        message = await messages(viewer, 1)
                    except TimeoutError:  # the last request is being answered, or its event written
                        continue
                    shown.append(json.dumps(message))
                    seen += len(message["events"])
                return await asked

        asked = asyncio.run(watch())
        spooled = b"".join(path.read_bytes() for path in Path(server.environment["DATA_DIR"]).rglob("*.jsonl*"))
        server.stop()
    data = Path(server.environment["DATA_DIR"])
    files = b"".join(path.read_bytes() for path in data.rglob("*") if path.is_file())
    assert b"SQLite" in files
    rows = all_rows(server.url)
    counts = server.query(
        "SELECT count(*), coalesce(sum((steps->0->>'count')::int), 0), "
        "count(*) FILTER (WHERE steps->0->>'rule' = 'folded') FROM registry_routingevent"
    )
    everything, folded, folding_rows = counts[0]
    assert everything - folding_rows + folded == asked + 1, "every request is a row, or counted in one"
    assert folded > 0
    found = {
        "the database": rows,
        "the files": (files + spooled).decode(errors="replace"),
        "the live log": "\n".join(shown),
    }
    secrets = [BODY, token, PASSWORD, WRONG, SIGNING_KEY, FLEET, CRM, MCP, HOOK, KEY]
    assert [(secret, place) for secret in secrets for place, text in found.items() if secret in text] == []
