"""A digest is the same whenever an answer says the same, and another when it does not."""

import asyncio
from dataclasses import replace
from typing import Any

import orjson
import pytest

from agents.wire import AgentRequest, Answer
from registry.routing.digest import bare
from registry.routing.public_url import PublicUrl
from tests.client import Client, basic
from tests.registry.building import build_agent, build_table

OWN, HOST = b"https://u:p%40ss@voice.example.com/base/sales", b"voice.example.com/base"
PARAMETERS = {"type": "object", "properties": {"from": {"type": "integer", "description": "Hour"}}}
HOURS = {"description": "Hours", "parameters": PARAMETERS, "handler": {"reply": "From ${args.from} to 6."}}
FUNCTIONS = {"hours": HOURS}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'{"a":"b"}', b'{"a":"b"}'),
        (b'{"u":"https://u:p%40ss@voice.example.com/base/sales/swaig/?__token=abc"}', b'{"u":"/swaig/"}'),
        (b'{"u":"https://u:p%40ss@voice.example.com/base/sales/swaig/?__token=abc&__version=12&a=b"}',
         b'{"u":"/swaig/?a=b"}'),
        (b'{"u":"https://x:y@voice.example.com/base/other?token=abc"}', b'{"u":"/other"}'),
        (b'{"u":"http://voice.example.com/base/other","w":"wss://voice.example.com/base"}', b'{"u":"/other","w":""}'),
        (b'{"u":"see https://voice.example.com/base/x?token=a and \\"https://voice.example.com/base\\""}',
         b'{"u":"see /x and \\"\\""}'),
        (b'{"u":"https://voice.example.com/based?token=a"}', b'{"u":"https://voice.example.com/based?token=a"}'),
        (b'{"u":"https://voice.example.com/base.evil/"}', b'{"u":"https://voice.example.com/base.evil/"}'),
        (b'{"u":"https://elsewhere.example.com/?token=a&__version=2"}',
         b'{"u":"https://elsewhere.example.com/?token=a&__version=2"}'),
        (b'{"u":"https://voice.example.com/base/?next=https://voice.example.com/base/"}',
         b'{"u":"/?next=https/"}'),
        (b'{"u":"://voice.example.com/base"}', b'{"u":""}'),
    ],
)  # fmt: skip
def test_our_urls_and_their_tokens_are_left_out_and_nobody_else_s(text: bytes, expected: bytes) -> None:
    assert bare(text, OWN, HOST) == expected


def client(*, host: str = "", **definition: Any) -> Client:
    shop = build_agent("shop", versions={1: {"prompt": {"text": "You help."}, **definition}})
    desk = build_agent("desk", number=2, credentials=("d", "q"))
    public = PublicUrl(host, [], []) if host else None
    table = build_table({"/shop": shop, "/desk": desk}, {"shop": "/shop"})
    return Client(table, fleet=("u", "p"), public_url=public)


def digest(response: Any) -> str:
    found = response.event["digest"]
    assert len(found) == 16
    assert int(found, 16)
    return str(found)


def test_a_document_has_one_digest_for_every_call_host_and_way_to_ask() -> None:
    words = {"functions": FUNCTIONS, "post_prompt": {"text": "Summarise."}, "auto_answer": False}
    ours, elsewhere = client(**words), client(host="https://calls.example.org/voice", **words)
    digests = {
        digest(ours.get("/shop")),
        digest(ours.post("/shop", {"call": {"call_id": "C1"}})),
        digest(ours.post("/sip", {"call": {"to": "sip:shop@example.com", "call_id": "C2"}})),
        digest(ours.get("/shop", headers={"host": "localhost"})),
        digest(elsewhere.get("/shop?lang=es")),
    }
    assert len(digests) == 1
    assert digest(client(functions=FUNCTIONS).get("/shop")) not in digests
    assert digest(ours.get("/desk", auth="Basic ZDpx")) not in digests


def test_the_digest_of_a_document_is_what_its_bytes_say() -> None:
    """So that one that is known beforehand can be compared with one that is not."""
    hold = {**HOURS, "wait_file": "/hold.mp3"}
    asked = client(functions={"hours": hold, "other": HOURS}, post_prompt={"text": "Summarise."}, debug_events=1)
    response = asked.get("/shop")
    assert response.body.count(b"voice.example.com") == 6
    text = bare(response.body, b"http://u:p@voice.example.com/shop", b"voice.example.com")
    assert b"token" not in text
    assert digest(response) == build_agent("shop").key.digest(text)


def test_the_same_words_of_a_function_have_the_same_digest_and_others_another() -> None:
    asked = client(functions={"hours": {**HOURS, "secure": False}})

    def said(start: int, call: str) -> str:
        body = {"function": "hours", "call_id": call, "argument": {"parsed": [{"from": start}]}}
        return digest(asked.post("/shop/swaig", body))

    assert said(8, "C1") == said(8, "C2") != said(9, "C1")


def test_a_transfer_to_another_agent_has_the_same_digest_at_every_host_and_with_every_password() -> None:
    transfer = {"go": {"description": "Go", "secure": False, "handler": {"transfer": "desk"}}}
    ours, elsewhere = client(functions=transfer), client(host="https://calls.example.org", functions=transfer)
    body = {"function": "go", "call_id": "C1"}
    here, there = ours.post("/shop/swaig", body), elsewhere.post("/shop/swaig", body)
    assert b"d:q@voice.example.com" in here.body
    assert b"d:q@calls.example.org" in there.body
    assert digest(here) == digest(there)


class Elsewhere:
    """A version whose answers we do not know beforehand, as Python and remote agents' are."""

    kind, mcp, by_mark, paths = "python", False, True, frozenset()

    def __init__(self, number: int, words: str):
        self.number = number
        self.words = words

    async def answer(self, request: AgentRequest) -> Answer:
        await asyncio.sleep(0)
        url = f"{request.urls.own.decode()}/swaig/?__token={request.call_id}{request.now}"
        url += f"&__version={self.number}" if self.number > 1 else ""
        return Answer(200, orjson.dumps({"text": self.words, "url": url, "base": request.urls.base.decode()}))


def test_answers_of_code_and_servers_have_the_digest_of_what_they_say() -> None:
    def asked(number: int, words: str, call: str, host: str = "", auth: tuple[str, str] = ("u", "p")) -> str:
        agent = replace(build_agent("code", credentials=auth), live=Elsewhere(number, words), versions={})
        public = PublicUrl(host, [], []) if host else None
        table = build_table({"/code": agent})
        return digest(Client(table, public_url=public).get(f"/code?call_id={call}", auth=basic(*auth)))

    first = asked(1, "Hello", "C1")
    assert first == asked(1, "Hello", "C2") == asked(1, "Hello", "C1", "https://calls.example.org/base")
    assert first == asked(2, "Hello", "C1"), "the version that is written into its URLs is no answer"
    assert first == asked(1, "Hello", "C1", auth=("new", "pass word")), "nor are its credentials"
    assert first != asked(1, "Hello!", "C1")


def test_who_has_not_the_key_cannot_try_what_a_masked_answer_was() -> None:
    agents = {path: build_agent(path[1:], versions={1: {"prompt": {"text": "You help."}}}) for path in ("/a", "/b")}
    asked = Client(build_table(agents))
    assert digest(asked.get("/a")) != digest(asked.get("/b")), "of the same words"
