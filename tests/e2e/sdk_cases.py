"""Requests that the SDK's own server and ours must answer alike; `{/route:function:call}` stands for a token."""

import hashlib
import hmac
import json
from typing import Any, NamedTuple


class Case(NamedTuple):
    """One request. `sign`: with which key, and by which algorithm."""

    name: str
    method: str
    path: str
    body: Any = None
    auth: str | None = "u:p"
    headers: dict[str, str] = {}
    raw: bytes | None = None
    sign: tuple[str, str] | None = None

    def headers_for(self, base: str, path: str) -> dict[str, str]:
        """The headers, with the signature of this URL and body."""
        if self.sign is None:
            return self.headers
        key, kind = self.sign
        body = self.raw if self.raw is not None else json.dumps(self.body).encode()
        name, algorithm = {
            "sha256": ("X-SignalWire-Sha256-Signature", hashlib.sha256),
            "sha1": ("X-SignalWire-Signature", hashlib.sha1),
        }[kind]
        digest = hmac.new(key.encode(), f"{base}{path}".encode() + body, algorithm).hexdigest()
        return {**self.headers, name: digest}


def call(function: str, arguments: Any = None, **more: Any) -> dict[str, Any]:
    """A SWAIG body."""
    given = arguments or {}
    return {"function": function, "call_id": "C1", "argument": {"parsed": [given], "raw": json.dumps(given)}, **more}


def rpc(method: str, **parameters: Any) -> dict[str, Any]:
    """A message to /mcp."""
    return {"jsonrpc": "2.0", "id": 9, "method": method, "params": parameters}


CLINIC, ODD, SIGNED = "/clinic/front", "/odd", "/signed"
BOOK = f"{CLINIC}/swaig?__token={{{CLINIC}:book:C1}}"
SUMMED = f"{CLINIC}/post_prompt?__token={{{CLINIC}:post_prompt:C1}}"
JSON = {"Content-Type": "application/json"}
PHONE = {"call": {"call_id": "C7", "from": "+15551230000", "to": "+15559990000", "direction": "inbound"}, "vars": {}}

DOCUMENTS = [
    Case("a full document", "GET", f"{CLINIC}?call_id=C1"),
    Case("with a slash", "GET", f"{CLINIC}/?call_id=C1"),
    Case("for no call", "GET", CLINIC),
    Case("for an empty call id", "GET", f"{CLINIC}?call_id="),
    Case("by POST", "POST", CLINIC, PHONE),
    Case("by POST without a call", "POST", CLINIC, {}),
    Case("by POST without a body", "POST", CLINIC),
    Case("debug", "GET", f"{CLINIC}/debug?call_id=C1"),
    Case("GET swaig", "GET", f"{CLINIC}/swaig?call_id=C1"),
    Case("GET post_prompt", "GET", f"{CLINIC}/post_prompt?call_id=C1"),
    Case("configured, as it is", "GET", "/tiers?call_id=C1"),
    Case("configured by the query", "GET", "/tiers?tier=gold&call_id=C1"),
    Case("configured by the body", "POST", "/tiers?tier=silver", PHONE),
    Case("debug of a configured one", "GET", "/tiers/debug?tier=gold&call_id=C1"),
    Case("a configuration that raises", "GET", "/tiers?tier=broken&call_id=C1"),
    Case("contexts and steps", "GET", "/steps?call_id=C1"),
    Case("skills", "GET", "/skilled?call_id=C1"),
    Case("a prefab", "GET", "/faq?call_id=C1"),
    Case("merged", "GET", "/merging?call_id=C1"),
    Case("merged with a body", "POST", "/merging", {"asked": "something"}),
    Case("a merging that raises", "POST", "/merging", {"raise": True}),
    Case("no prompt", "GET", "/no-prompt"),
    Case("its own credentials", "GET", f"{SIGNED}?call_id=C1", auth="kiosk:c0de-word"),
    Case("the fleet's credentials where it has its own", "GET", SIGNED),
    Case("no credentials", "GET", CLINIC, auth=None),
    Case("wrong credentials", "GET", CLINIC, auth="u:x"),
    Case("nobody's path", "GET", "/nobody"),
    Case("nobody's path behind an agent", "GET", f"{CLINIC}/nobody"),
    Case("another method", "PUT", CLINIC, {}),
    Case("another content type", "POST", CLINIC, raw=b"a=b", headers={"Content-Type": "text/plain"}),
    Case("a callback by GET", "GET", "/switchman/vip"),
    Case("a callback that does not route", "POST", "/switchman/vip", {"x": 1}),
    Case("a callback that routes", "POST", "/switchman/vip", {"vip": True}),
    Case("a callback with a slash", "POST", "/switchman/vip/", {"vip": True}),
    Case("a callback that raises", "POST", "/switchman/vip", {"raise": True}),
    Case("a callback two segments deep", "POST", "/switchman/desk/night", {"late": True}),
    Case("the same by GET", "GET", "/switchman/desk/night"),
    Case("half of its path", "GET", "/switchman/desk"),
]

FUNCTIONS = [
    Case("with a token", "POST", BOOK, call("book", {"day": "Monday"})),
    Case("with a slash", "POST", f"{CLINIC}/swaig/?__token={{{CLINIC}:book:C1}}", call("book", {"day": "Monday"})),
    Case("the token under its other name", "POST", BOOK.replace("__token", "token"), call("book")),
    Case("without a token", "POST", f"{CLINIC}/swaig", call("book")),
    Case("a token that is none", "POST", f"{CLINIC}/swaig?__token=abc", call("book")),
    Case("a token of another call", "POST", BOOK.replace(":C1", ":C2"), call("book")),
    Case("a token of another function", "POST", BOOK.replace(":book:", ":price:"), call("book")),
    Case("a token by conversation", "POST", BOOK, call("book", call_id="other", conversation_id="C1")),
    Case("a token of a conversation that is another", "POST", BOOK, call("book", call_id="other")),
    Case("raw arguments", "POST", f"{CLINIC}/swaig", {"function": "plain", "argument": {"raw": '{"a": 1}'}}),
    Case("raw arguments that are none", "POST", f"{CLINIC}/swaig", {"function": "plain", "argument": {"raw": "{a"}}),
    Case("flat arguments", "POST", f"{CLINIC}/swaig", {"function": "plain", "arguments": {"a": 2}}),
    Case("no arguments", "POST", f"{CLINIC}/swaig", {"function": "plain"}),
    Case("text beyond ASCII", "POST", f"{CLINIC}/swaig", call("plain", {"a": "Zoë ☎ 🏥"})),
    Case("an explicit schema", "POST", f"{CLINIC}/swaig", call("explicit", {"cents": 5})),
    Case("an inferred one, asynchronous", "POST", BOOK.replace(":book", ":price"), call("price", {"kind": "test"})),
    Case("extras", "POST", f"{CLINIC}/swaig", call("decorated")),
    Case("one that is elsewhere", "POST", f"{CLINIC}/swaig", call("elsewhere")),
    Case("a data map", "POST", f"{CLINIC}/swaig", call("weather", {"city": "Bath"})),
    Case("an unknown one", "POST", f"{CLINIC}/swaig", call("nobody")),
    Case("no name", "POST", f"{CLINIC}/swaig", {"argument": {}}),
    Case("no JSON", "POST", f"{CLINIC}/swaig", raw=b"{x", headers=JSON),
    Case("another content type", "POST", f"{CLINIC}/swaig", raw=b"x", headers={"Content-Type": "text/xml"}),
    Case("no credentials", "POST", f"{CLINIC}/swaig", call("plain"), auth=None),
    Case(
        "of a skill", "POST", "/skilled/swaig?__token={/skilled:calculate:C1}", call("calculate", {"expression": "6*7"})
    ),
    Case("configured for each call", "POST", "/tiers/swaig", call("which", caller_id_num="+1555")),
    Case("of a step", "POST", "/steps/swaig?__token={/steps:go:C1}", call("go")),
    *[
        Case(f"that answers {name}", "POST", f"{ODD}/swaig", call(name))
        for name in ("text", "nothing", "number", "items", "mapping", "empty", "structured")
    ],
    Case(
        "signed with SHA-256", "POST", f"{SIGNED}/swaig", call("open"), "kiosk:c0de-word", sign=("PSK-code", "sha256")
    ),
    Case("signed with SHA-1", "POST", f"{SIGNED}/swaig", call("open"), "kiosk:c0de-word", sign=("PSK-code", "sha1")),
    Case("signed with another key", "POST", f"{SIGNED}/swaig", call("open"), "kiosk:c0de-word", sign=("PSK", "sha256")),
    Case("not signed", "POST", f"{SIGNED}/swaig", call("open"), "kiosk:c0de-word"),
    Case("a signed document", "POST", SIGNED, PHONE, "kiosk:c0de-word", sign=("PSK-code", "sha256")),
]

REST = [
    Case("a summary", "POST", SUMMED, {"call_id": "C1", "summary": {"ok": True}}),
    Case(
        "a summary of the prompt's data", "POST", SUMMED, {"call_id": "C1", "post_prompt_data": {"parsed": [{"a": 1}]}}
    ),
    Case("a summary that the handler fails at", "POST", SUMMED, {"call_id": "C1", "summary": "raise"}),
    Case(
        "a conversation is fetched", "POST", SUMMED, {"call_id": "C1", "action": "fetch_conversation", "summary": "s"}
    ),
    Case("a summary without a token", "POST", f"{CLINIC}/post_prompt", {"call_id": "C1"}),
    Case("a summary of another call", "POST", SUMMED, {"call_id": "C2"}),
    Case("a summary by conversation", "POST", SUMMED, {"conversation_id": "C1"}),
    Case("two call ids", "POST", f"{SUMMED}&call_id=C2", {"call_id": "C1"}),
    Case("a summary that is no JSON", "POST", SUMMED, raw=b"{x", headers=JSON),
    Case("check_for_input", "POST", f"{CLINIC}/check_for_input", {"conversation_id": "V1"}),
    Case("check_for_input by GET", "GET", f"{CLINIC}/check_for_input?conversation_id=V1"),
    Case("check_for_input without an id", "POST", f"{CLINIC}/check_for_input", {}),
    Case("a debug event", "POST", f"{CLINIC}/debug_events", {"event": "x", "call_id": "C1"}),
    Case("a debug event by GET", "GET", f"{CLINIC}/debug_events"),
    Case("mcp initialize", "POST", f"{CLINIC}/mcp", rpc("initialize", protocolVersion="2025-06-18")),
    Case("mcp ping", "POST", f"{CLINIC}/mcp", rpc("ping")),
    Case("mcp tools/list", "POST", f"{CLINIC}/mcp", rpc("tools/list")),
    Case("mcp tools/call", "POST", f"{CLINIC}/mcp", rpc("tools/call", name="plain", arguments={"a": 1})),
    Case("mcp unknown tool", "POST", f"{CLINIC}/mcp", rpc("tools/call", name="nobody")),
    Case("mcp unknown method", "POST", f"{CLINIC}/mcp", rpc("resources/list")),
    Case("mcp another version", "POST", f"{CLINIC}/mcp", {"jsonrpc": "1.0", "id": 1, "method": "ping"}),
    Case("mcp no JSON", "POST", f"{CLINIC}/mcp", raw=b"{x", headers=JSON),
    Case("mcp without credentials", "POST", f"{CLINIC}/mcp", rpc("ping"), auth=None),
    Case("mcp where there is none", "POST", "/tiers/mcp", rpc("ping")),
]

GROUPS = (("document", DOCUMENTS), ("function", FUNCTIONS), ("rest", REST))
CASES = [(group, case) for group, cases in GROUPS for case in cases]
