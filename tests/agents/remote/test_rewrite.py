"""The server's addresses become ours, wherever and however they stand; what cannot be replaced is noticed."""

import base64
import json
import re
from typing import Any
from urllib.parse import unquote

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.remote.places import Place
from agents.remote.rewrite import MARKED, Rewriter, readable, without
from tests.agents.building import request
from tests.agents.remote.building import OURS, PASSWORD, UPSTREAM
from tests.agents.strategies import quick

PLACES = [
    Place.of("http", "10.0.0.5", 3000),
    Place.of("http", "localhost", 3000),
    Place.of("https", "Acme.example", None),
]
ESCAPED = "up:s3cr3t%2Fp%40ss"
REWRITER = Rewriter(UPSTREAM, PLACES, ["/sales"])
SUPPORT = "https://u:p@voice.example.com/billing"


def agent_at(path: str) -> str | None:
    return "billing" if path in ("/support", "/mod") else None


def rewritten(value: Any, *, document: bool = True, rewriter: Rewriter = REWRITER) -> Any:
    """A value after all; None if it is refused."""
    read = readable(json.dumps(value).encode())
    assert read is not None
    result = rewriter.rewrite(read[1], agent_at, document=document)
    return None if result.leak or (result.nowhere and not document) else orjson.loads(result.filled(request()))


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("http://10.0.0.5:3000/sales/swaig/?__token=T", f"{OURS}/swaig/?__token=T"),
        (f"http://{UPSTREAM}@10.0.0.5:3000/sales/swaig/?__token=T", f"{OURS}/swaig/?__token=T"),
        (f"http://{ESCAPED}@10.0.0.5:3000/sales/swaig/", f"{OURS}/swaig/"),
        (f"http://{ESCAPED.replace('F', 'f')}@10.0.0.5:3000/sales/post_prompt", f"{OURS}/post_prompt"),
        ("http://somebody:else@10.0.0.5:3000/sales/swaig", f"{OURS}/swaig"),
        ("HTTPS://10.0.0.5:3000/sales", OURS),
        ("http://10.0.0.5:3000/sales/", OURS),
        ("http://10.0.0.5:3000/s%61les/debug_events/", f"{OURS}/debug_events/"),
        ("http://ACME.example/sales/swaig/", f"{OURS}/swaig/"),
        ("https://acme.example:443/sales/swaig/", f"{OURS}/swaig/"),
        (f"https://{UPSTREAM}@unknown.example/sales/swaig/", f"{OURS}/swaig/"),
        # The SDK's defect: neither the port nor the route are right.
        (f"http://{UPSTREAM}@localhost:3000/swaig/?__token=T", f"{OURS}/swaig/?__token=T"),
        (f"http://{UPSTREAM}@localhost:3000/other/mcp", f"{OURS}/mcp"),
        ("http://10.0.0.5:3000/support", SUPPORT),
        ("http://10.0.0.5:3000/support/", SUPPORT),
        ("http://10.0.0.5:3000/support/swaig/?a=1", f"{SUPPORT}/swaig/?a=1"),
        ("see http://10.0.0.5:3000/support, please", None),
        # Somebody else's.
        ("http://10.0.0.5:3001/sales", "http://10.0.0.5:3001/sales"),
        ("http://10.0.0.50:3000/sales", "http://10.0.0.50:3000/sales"),
        ("https://www.acme.example/sales", "https://www.acme.example/sales"),
        ("https://acme.example.org/swaig", "https://acme.example.org/swaig"),
        ("https://other:pair@crm.example.com/swaig/?t=1", "https://other:pair@crm.example.com/swaig/?t=1"),
        ("our shop is at acme.example", "our shop is at acme.example"),
    ],
)
def test_a_url_becomes_ours(theirs: str, ours: str | None) -> None:
    assert rewritten({"x": theirs}, document=False) == (None if ours is None else {"x": ours})


def test_a_field_for_callbacks_is_always_the_agents_own() -> None:
    mod = "http://localhost:3000/mod/swaig/?__token=T"
    assert rewritten({"web_hook_url": mod, "dest": mod}) == {
        "web_hook_url": f"{OURS}/swaig/?__token=T",
        "dest": f"{SUPPORT}/swaig/?__token=T",
    }


def test_in_a_document_what_nobody_serves_gets_our_address_without_credentials() -> None:
    assert rewritten({"wait_file": "http://localhost:3000/hold.mp3"}) == {
        "wait_file": "https://voice.example.com/hold.mp3"
    }
    assert rewritten({"wait_file": "http://localhost:3000/hold.mp3"}, document=False) is None


def test_documents_of_later_versions_name_theirs() -> None:
    second = Rewriter(UPSTREAM, PLACES, ["/sales"], 2)
    urls = [
        "http://10.0.0.5:3000/sales/swaig/",
        "http://10.0.0.5:3000/sales/swaig/?a=1#x",
        "http://10.0.0.5:3000/sales",
    ]
    assert rewritten(urls, rewriter=second) == [
        f"{OURS}/swaig/?__version=2",
        f"{OURS}/swaig/?a=1&__version=2#x",
        OURS,
    ]
    assert without(b"a=1&__version=2&b=2", frozenset({b"__version"})) == b"a=1&b=2"


@pytest.mark.parametrize(
    "text",
    [
        rb'{"x": "http:\/\/10.0.0.5:3000\/sales\/swaig"}',
        rb'{"x": "\u0068ttp://10.0.0.5:3000/sales/swaig"}',
        rb'{"x": "\u0068ttp://10.0.0.5:3000/sales/swaig", "y": "\ud800"}',
    ],
)
def test_escapes_hide_nothing(text: bytes) -> None:
    read = readable(text)
    assert read is not None
    result = REWRITER.rewrite(read[1], agent_at, document=False)
    assert orjson.loads(result.filled(request()))["x"] == f"{OURS}/swaig"


@pytest.mark.parametrize(
    "text",
    [
        f"the password is {PASSWORD}",
        "the password is s3cr3t%2fp%40ss",
        f"sip:{UPSTREAM}@somewhere",
        base64.b64encode(UPSTREAM.encode()).decode(),
        "10.0.0.5:3000",
        "//10.0.0.5:3000/sales",
        "ftp://10.0.0.5:3000/sales",
        "https://crm.example/?back=http%3A%2F%2F10.0.0.5%3A3000%2Fsales",
        "https://crm.example/?back=https%3A%2F%2Fup%40ACME.example%2Fsales",
        "//acme.example/x",
    ],
)
def test_what_cannot_be_replaced_is_noticed(text: str) -> None:
    assert rewritten({"x": text}) is None


def test_our_own_credentials_may_be_the_same_as_theirs() -> None:
    rewriter = Rewriter("u:p", PLACES, ["/sales"])
    value = {"web_hook_url": "http://u:p@10.0.0.5:3000/sales/swaig/"}
    assert rewritten(value, rewriter=rewriter) == {"web_hook_url": f"{OURS}/swaig/"}


def test_what_is_not_rewritten_stays_byte_for_byte() -> None:
    text = '{"a" : 1.0,  "b": "caf\\u00e9 \\" \\n", "c": "é"}'.encode()
    read = readable(text)
    assert read is not None
    assert REWRITER.rewrite(read[1], document=True).filled(request()) == text


@pytest.mark.parametrize("text", [b"", b"<html>", b'{"x": NaN}', b"[" * 2000, b'{"x": "\\/"' + b",[" * 300])
def test_what_is_no_json_is_not_read(text: bytes) -> None:
    assert readable(text) is None


def test_marks_are_not_to_be_guessed() -> None:
    assert not MARKED.search(b"0;1;2;")


PIECES = st.lists(
    st.sampled_from(
        [
            "http", "HTTPS", "wss", "://", "//", ":", "@", "/", "\\", '"', "%2F%2F", "%3A", "%40", " ", ".", "x",
            "\u00e9", "\ud800", "10.0.0.5", "10.0.0.5:3000", "localhost:3000", "ACME.example", "acme.example:443",
            ":3000", UPSTREAM, ESCAPED, "up", PASSWORD, "s3cr3t%2fp%40ss", "/sales", "/support", "/swaig/",
            "?__token=T", "#", "?", "&", "other.example",
        ]
    ),
    max_size=12,
)  # fmt: skip


@quick
@given(PIECES, st.booleans(), st.booleans())
def test_nothing_of_the_server_is_left(pieces: list[str], document: bool, ascii_only: bool) -> None:
    text = "".join(pieces)
    read = readable(json.dumps({"x": text}, ensure_ascii=ascii_only).encode(errors="replace").replace(b"/", b"\\/"))
    assert read is not None
    result = REWRITER.rewrite(read[1], agent_at, document=document)
    if result.leak:
        return
    told = orjson.loads(result.filled(request()))["x"].lower()
    for seen in (told, unquote(told)):
        assert PASSWORD not in seen
        assert f"{UPSTREAM}@" not in seen
        assert re.search(r"(?<![\w.-])(localhost|10\.0\.0\.5):3000(?!\d)", seen) is None
        assert re.search(r"://([^/@\s\"]*@)?acme\.example(:443)?([/?#]|$)", seen) is None
