"""Secrets in every place where they can come in or go out, and then a look at everything that was written."""

import base64
import json
import logging
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings

from agents.definition import AgentDefinition
from agents.stored.version import StoredVersion
from registry.log.masking import MASK, MaskedFormatter, Masker
from registry.log.recorder import STRUCTURED_BYTES, Excerpts, Recorder
from registry.routing.http import parse_json
from registry.routing.table import AgentEntry, Credentials, Step
from tests.agents.building import KEY
from tests.client import Client, MemorySpool, basic
from tests.registry.building import build_table, fleet_table

S = "hunter2-hunter2"
HIDDEN_KEYS = list(settings.MASKED_KEYS)
ENVIRONMENT = {
    "AGENT_SECRET_CRM": "crm/s3cret+key=",
    "AGENT_SECRET_MCP": "Bearer mcp-s3cret",
    "AGENT_SECRET_URL": "https://hooks.example.com/services/T0000/abcdef?key=hook-s3cret&v=1",
    "AGENT_SECRET_QUOTED": 'with "quotes" \\ and ünï',
    "AGENT_SECRET_NUMBER": "8675309",
}
OF_ENVIRONMENT = ["crm/s3cret+key=", "mcp-s3cret", "T0000/abcdef", "hook-s3cret", '"quotes"', "8675309"]


def recorded(body: bytes, answer: bytes = b"", limit: int = 4096, **event: Any) -> bytes:
    """The line that is written for a request with this body."""
    spool = MemorySpool()
    masker = Masker(HIDDEN_KEYS, ENVIRONMENT.values())
    Recorder(spool, "test", masker, limit).record(event, Excerpts(body, parse_json(body), answer))
    json.loads(spool.lines[0])
    return spool.lines[0]


def as_json(value: Any, depth: int = 0) -> bytes:
    """JSON; inside a text of JSON, inside a text of JSON …"""
    text = json.dumps(value)
    for _ in range(depth):
        text = json.dumps({"raw": text})
    return text.encode()


# --- what stands in bodies -------------------------------------------------------------------------------------------

VALUES: dict[str, Any] = {
    **{f"the key {key}": {key: S} for key in HIDDEN_KEYS},
    **{f"the key {key.upper()}": {key.upper(): S} for key in HIDDEN_KEYS},
    "a nested one": {"a": [{"b": {"Password": {"c": [S]}}}]},
    "a SIP header": {"call": {"headers": [{"name": "Authorization", "value": S}]}},
    "a SIP header the other way round": {"headers": [{"value": S, "name": "X-API-KEY"}]},
    "a SIP header with more": {"headers": [{"name": "Cookie", "type": "sip", "value": S}]},
    "a Referer": {"headers": [{"name": "Referer", "value": f"https://h/x/swaig/?a=b&__token={S}"}]},
    "userinfo": {"see": f"https://user:{S}@example.com/x"},
    "userinfo of a SIP address": {"to": f"sip:alice:{S}@example.com"},
    "a token": {"url": f"https://example.com/?token={S}&x=1"},
    "a token in capitals": {"url": f"https://example.com/?TOKEN={S}&x=1"},
    "a scheme": {"note": f"curl -H 'Authorization: Bearer {S}' "},
    **{f"a parameter {key}": {"url": f"https://example.com/?a=b&{key}={S}#x"} for key in HIDDEN_KEYS},
    "a parameter in capitals": {"url": f"https://example.com/?PASSWORD={S}"},
    "a parameter in front": {"form": f"password={S}&user=u"},
    "a parameter with more of a name": {"form": f"user=u&old_password={S}"},
    "a parameter behind a line's end": {"form": f"user=u\npassword={S}"},
    "a quoted parameter": {"form": f'user="u" password="{S}"'},
    "a parameter inside a parameter": {"url": f"https://h/?next=https%3A%2F%2Fh%2F%3Fa%3D1%26token%3D{S}"},
    "an escaped parameter": {"url": f"https://h/?next=https%3A%2F%2Fh%2F%3Fapi_key%3d{S}%26b%3D1"},
}


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
@pytest.mark.parametrize("what", VALUES)
def test_no_secret_in_json_or_in_json_inside_of_it(what: str, depth: int) -> None:
    for indent in ({}, {"indent": 1}, {"ensure_ascii": False, "separators": (",", ":")}):
        assert S.encode() not in recorded(as_json({"x": "é", **VALUES[what]}, depth)), indent


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("what", VALUES)
def test_no_secret_in_a_long_body_wherever_it_is_cut_off(what: str, depth: int) -> None:
    body = as_json({**VALUES[what], "long": "y" * STRUCTURED_BYTES}, depth)
    assert S.encode() not in recorded(body)
    for before in range(3900, 4200, 7):
        body = as_json({"long": "y" * before, **VALUES[what], "after": "z" * 200}, depth)
        assert S.encode() not in recorded(body)


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("what", VALUES)
def test_no_secret_in_malformed_json(what: str, depth: int) -> None:
    body = as_json(VALUES[what], depth)
    for broken in (
        body[:-1],
        body + b"}",
        b"x" + body,
        body.replace(b'"}', b'"]', 1),
        body.replace(b": ", b" : ") + b",",
    ):
        assert S.encode() not in recorded(broken)


@pytest.mark.parametrize(
    "text",
    [
        f"password={S}&user=u",
        f"user=u&password={S}",
        f"__token={S}",
        f"Authorization: Basic {S}",
        f"Authorization: Digest username=u, response={S}",
        f"POST / HTTP/1.1\r\nHost: h\r\nCookie: a=b; session={S}\r\n\r\n",
        f"{{'password': '{S}'}}",
        f"{{password: '{S}', a: 1}}",
        f"{{password: {S}, a: 1}}",
        f'{{"password": {S} {S}, "a": 1}}',
        f"api_key: {S}\nother: 1",
        f'"\\u0070assword"="{S}"',
        f"see https://u:{S}@h/",
        f'{{"url":"https://h/?a=1\\u0026token\\u003d{S}"',
    ],
)
def test_no_secret_in_a_body_of_text(text: str) -> None:
    assert S.encode() not in recorded(text.encode())


def test_a_body_that_is_one_text_of_json_is_looked_into() -> None:
    assert S.encode() not in recorded(json.dumps(json.dumps({"password": S})).encode())


@pytest.mark.parametrize("value", [S, "4711", "123", 123, 4711.5, {"a": S}, [S, "4711"], f"Bearer {S}"])
def test_what_was_masked_in_a_request_is_not_in_its_answer_nor_in_the_reason(value: Any) -> None:
    texts = [value] if not isinstance(value, dict | list) else [S]
    said = " and ".join(str(text) for text in texts)
    body = as_json(
        {"argument": {"parsed": [{"cvv": value}], "raw": json.dumps({"cvv": value})}, "log": [f"I said {said}"]}
    )
    line = recorded(body, json.dumps({"response": f"You said {said}."}).encode(), detail=f"{said} is wrong")
    event = json.loads(line)
    told = line.replace(event["id"].encode(), b"")  # of random digits
    for text in texts:
        assert str(text).encode() not in told
    assert event["response"] == {"response": f"You said {' and '.join([MASK] * len(texts))}."}
    assert event["detail"].endswith(" is wrong")


@pytest.mark.parametrize("before", [490, 505, 511, 512])
def test_a_reason_is_masked_before_it_is_cut(before: int) -> None:
    line = recorded(as_json({"password": S}), detail="x" * before + S)
    assert S[:4].encode() not in line
    assert len(json.loads(line)["detail"]) <= 512


@pytest.mark.parametrize("before", range(4060, 4096, 5))
def test_what_was_masked_in_a_request_is_masked_in_a_huge_answer_before_that_is_cut(before: int) -> None:
    said = "x" * before + S
    answer = as_json({"response": said.ljust(STRUCTURED_BYTES + 1)})
    line = recorded(as_json({"password": S}), answer)
    assert S[:4].encode() not in line


@pytest.mark.parametrize(
    "body",
    [
        '{"a":{"password":"%s"},"a":1,"more":"%s"}',
        '{"a" :{"password" :"%s"},"a" :1,"more":"%s"}',
        '{"raw":"{\\"a\\":{\\"password\\":\\"%s\\"},\\"a\\":1}","more":"%s"}',
    ],
)
@pytest.mark.parametrize("more", ["", "x" * 5000])
def test_a_value_whose_key_comes_twice_is_not_stored(body: str, more: str) -> None:
    assert S.encode() not in recorded((body % (S, more)).encode())


def test_thousands_of_short_texts_are_not_all_looked_into() -> None:
    masker = Masker(HIDDEN_KEYS)
    texts = [f'"token {S}'] * 4500
    masked = masker.value({"token": S, "texts": texts}, masker.known)
    looked_into = sum(text != MASK for text in masked["texts"])
    assert 100 < looked_into < 1000, "all of them took 40 ms"
    assert S.encode() not in recorded(as_json({"token": S, "texts": texts[:2000]}))
    quoted = masker.hidden([{"token": S}, *['"'] * 9000, json.dumps({"token": "another-s3cret"})])
    assert quoted.texts == (S,)
    masker.hidden([])
    assert masker.value('{"token": "x"}', masker.known) == '{"token":"***"}', "each event has its own time"


def test_many_values_under_masked_keys_take_no_time() -> None:
    body = as_json([{"password": f"{number:04}-{S}"} for number in range(1500)])
    assert S.encode() not in recorded(body, b'{"response":"x"}')


# --- what only this server knows -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENVIRONMENT)
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_variable_that_definitions_may_refer_to_is_masked_wherever_it_is(name: str, depth: int) -> None:
    value = ENVIRONMENT[name]
    for body in (as_json({"echo": f"<{value}>"}, depth), as_json([value, 1], depth), as_json({value: "key"}, depth)):
        for line in (
            recorded(body),
            recorded(body[:-1]),
            recorded(b"{}", body),
            recorded(body.replace(b"<", b"\n<" if depth == 0 else b"<")),
            recorded(as_json({"a": "x" * 4090, "b": json.loads(body)})),
            recorded(b"", b"", detail=f"webhook: {value} answered 500"),
        ):
            assert value.encode() not in line
            assert json.dumps(value)[1:-1].encode() not in line
            assert not [secret for secret in OF_ENVIRONMENT if secret.encode() in line]


@pytest.mark.parametrize("name", ["AGENT_SECRET_CRM", "AGENT_SECRET_URL"])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_variable_is_masked_also_with_escaped_slashes(name: str, depth: int) -> None:
    value: Any = {"echo": f"<{ENVIRONMENT[name]}>", "quoted": f'it is "{ENVIRONMENT[name]}"'}
    body = php(value)
    for _ in range(depth):
        body = php({"raw": body})
    for sent in (body, body[:-1], php({"a": "x" * 4090, "b": json.loads(body)}), php({"said": body[1:-1]})):
        line = recorded(sent.encode())
        assert not [secret for secret in ("s3cret", "hook-s3cret", "T0000", "abcdef") if secret.encode() in line], sent


def php(value: Any) -> str:
    """JSON as PHP writes it."""
    return json.dumps(value).replace("/", "\\/")


def test_a_number_and_the_parts_of_a_url_are_masked_too() -> None:
    line = recorded(
        b'{"a":8675309,"b":"https://hooks.example.com/services/T0000/abcdef answered 500","c":"hook-s3cret"}'
    )
    assert not [secret for secret in OF_ENVIRONMENT if secret.encode() in line]
    assert b"hooks.example.com" in line


def test_a_short_variable_is_a_word_and_not_looked_for() -> None:
    masker = Masker([], ["yes", "on"])
    assert masker.known.texts == ()


def test_routes_and_agents_keep_their_names() -> None:
    event = json.loads(recorded(b'{"a":"8675309"}', route="/8675309", agent="8675309", steps=[]))
    assert (event["route"], event["agent"], event["request"]) == ("/8675309", "8675309", {"a": MASK})


# --- all kinds of requests -------------------------------------------------------------------------------------------


class Echo:
    """An author's server that sends back all that it got."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}

    async def post(
        self, agent: str, url: str, headers: Any, body: bytes, seconds: float | None = None
    ) -> dict[str, Any]:
        self.headers = dict(headers)
        return {"response": f"{url} {dict(headers)} {body.decode()}", "action": [{"set_global_data": dict(headers)}]}


ARGUMENTS = {
    "type": "object",
    "properties": {"password": {"type": "string", "maxLength": 40, "description": "Password"}},
}
DEFINITION = {
    "prompt": {"text": "You help."},
    "mcp": True,
    "mcp_servers": [
        {
            "url": "https://mcp.example.com",
            "headers": {"Authorization": "env:AGENT_SECRET_MCP", "X-K": "env:AGENT_SECRET_CRM"},
        }
    ],
    "post_prompt": {"text": "Summarise."},
    "functions": {
        "ask": {
            "description": "Ask",
            "secure": False,
            "parameters": ARGUMENTS,
            "handler": {"webhook": {"url": "env:AGENT_SECRET_URL", "headers": {"X-Custom": "env:AGENT_SECRET_CRM"}}},
        },
        "say": {"description": "Say", "parameters": ARGUMENTS, "handler": {"reply": "You said ${args.password}."}},
        "transfer": {"description": "Transfer", "secure": False, "handler": {"transfer": "desk"}},
    },
}
PASSWORD, SIGNING_KEY, WRONG = "the-agents-password", "the-signing-key", "a-wrong-password"


@pytest.fixture
def client() -> Client:
    version = StoredVersion(1, AgentDefinition.read(DEFINITION), KEY, ENVIRONMENT)
    step = Step("version", "version 1 is live")

    def agent(number: int, name: str, signing_key: str = "") -> AgentEntry:
        credentials = Credentials.of("agent-user", PASSWORD)
        return AgentEntry(number, name, credentials, signing_key, KEY, version, {1: version}, None, "", step)

    table = build_table(
        {"/desk": agent(1, "desk"), "/signed": agent(2, "signed", SIGNING_KEY)}, {"desk": "/desk"}, default="/desk"
    )
    client = Client(table, webhooks=Echo(), fleet=("fleet", "the-fleets-password"))
    client.dispatcher.context.recorder.masker = Masker(HIDDEN_KEYS, ENVIRONMENT.values())
    return client


def test_no_secret_in_any_kind_of_request_reaches_the_spool_or_the_server_s_log(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    ours = basic("agent-user", PASSWORD)
    document = client.get("/desk?call_id=C1", auth=ours)
    function = next(f for f in document.ai["SWAIG"]["functions"] if f["function"] == "say")
    token = function["web_hook_url"].partition("__token=")[2]
    assert len(token) == 48
    body = {
        "function": "ask",
        "call_id": "C1",
        "argument": {"parsed": [{"password": S}], "raw": json.dumps({"password": S})},
        **VALUES["a SIP header"],
        "urls": [VALUES["userinfo"], VALUES["a Referer"], VALUES["a parameter api_key"], function["web_hook_url"]],
        "Proxy-Authorization": ours,
        "call": {
            "to": f"sip:desk:{S}@example.com",
            "from": f"sip:u:{S}@example.com",
            "call_id": "C1",
            **VALUES["a SIP header"]["call"],
        },
    }
    query = f"__token={token}&password={S}&api_key={S}&call_id=C1"
    hidden = [
        f"__TOKEN={token}&%70assword={S}&PassWord={S}",
        f"t%6fken={token}&see=https%3A%2F%2Fu%3A{S}%40h%2F&__token%3D{token}",
        f"see=https://u:{S}@h/&next=%2Fx%3Ftoken%3D{token}%26password%3D{S}",
        f"b=Bearer+{S}&j=%7B%22password%22%3A%22{S}%22%7D&crm={quote(ENVIRONMENT['AGENT_SECRET_CRM'])}",
        f"{quote(quote(f'password={S}&__token={token}'))}&crm={ENVIRONMENT['AGENT_SECRET_CRM']}",
    ]
    for other in hidden:
        for path, auth in (("/desk", ours), ("/desk/swaig", ours), ("/desk", None), ("/nobody", None)):
            client.post(f"{path}?{other}", body, auth=auth)
            client.get(f"{path}?{other}", auth=auth)
            assert client.spool.lines[-1].count(b'"query":') == 1
    for path in ("", "/debug", "/swaig", "/post_prompt", "/check_for_input", "/debug_events", "/mcp", "/sip"):
        for auth in (ours, basic("agent-user", WRONG), f"Bearer {S}", None):
            headers = {"Referer": f"https://h/?__token={token}", "Cookie": f"session={S}", "X-Api-Key": S}
            for extra in ({"content-type": "text/plain"}, {"content-length": "99999999999"}, {}):
                target = f"/desk{path}?{query}"
                client.post(target, body, auth=auth, headers={**headers, **extra})
                client.post(target, content=json.dumps(body).encode()[:-1], auth=auth, headers={**headers, **extra})
                client.post(target, content=f"password={S}&user=u".encode(), auth=auth, headers={**headers, **extra})
            client.get(f"/desk{path}?{query}", auth=auth, headers=headers)
            client.request("PUT", f"/desk{path}?{query}", auth=auth, headers=headers)
    said = client.post(f"/desk/swaig?{query}", body, auth=ours)
    assert ENVIRONMENT["AGENT_SECRET_CRM"] in said.body.decode(), "the platform gets what the author's server said"
    assert MASK in json.dumps(said.event["response"])
    said = client.post(f"/desk/swaig?{query}", {**body, "function": "say"}, auth=ours)
    assert said.json["response"] == f"You said {S}."
    long = client.post(f"/desk/swaig?{query}", {**body, "argument": {"parsed": [{"password": S * 9}]}}, auth=ours)
    assert S in long.json["response"], "the model is told what was wrong"
    sent = client.post(f"/desk/swaig?{query}", {**body, "function": "transfer"}, auth=ours)
    assert PASSWORD in sent.body.decode()
    tool = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "ask", "arguments": {"password": S}}}
    assert ENVIRONMENT["AGENT_SECRET_CRM"] in client.post(f"/desk/mcp?{query}", tool, auth=ours).body.decode()
    for auth in (ours, basic("fleet", "the-fleets-password"), basic("fleet", WRONG)):
        client.post(f"/sip?{query}", body, auth=auth)
        client.post(f"/nobody?{query}", body, auth=auth)
        client.post(f"/signed?{query}", body, auth=auth, headers={"x-signalwire-signature": SIGNING_KEY})
    client.tables.current = None
    client.post(f"/desk?{query}", body, auth=ours)
    everything = b"".join(client.spool.lines).decode() + caplog.text
    refused = client.get("/desk", auth=ours, headers={"host": f"u:{S}@evil.example"})
    assert S not in json.dumps(refused.event)
    secrets = [S, token, PASSWORD, SIGNING_KEY, WRONG, "the-fleets-password", *OF_ENVIRONMENT[:4]]
    pairs = [f"agent-user:{PASSWORD}", f"agent-user:{WRONG}", "fleet:the-fleets-password", f"fleet:{WRONG}"]
    secrets += [base64.b64encode(pair.encode()).decode() for pair in pairs]
    assert {secret: everything.count(secret) for secret in secrets} == dict.fromkeys(secrets, 0)
    assert len(client.spool.lines) > 300


def test_the_server_s_log_is_masked_also_in_tracebacks() -> None:
    formatter = MaskedFormatter(keys=HIDDEN_KEYS, fmt="{message}", style="{")
    try:
        raise RuntimeError(f"postgresql://switchboard:{S}@db/x is away")
    except RuntimeError as error:
        record = logging.LogRecord(
            "x",
            logging.ERROR,
            "x",
            1,
            "GET /x?__token=%s&api_key=%s",
            (S, S),
            (RuntimeError, error, error.__traceback__),
        )
    text = formatter.format(record)
    assert S not in text
    assert "postgresql://***@db/x is away" in text
    assert "GET /x?__token=***&api_key=***" in text


def test_the_settings_use_it() -> None:
    assert settings.LOGGING["formatters"]["line"]["()"].endswith("MaskedFormatter")


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_a_secret_of_the_environment_is_in_no_field_that_callers_choose(client: Client, name: str) -> None:
    """A value under a telling key of the same body is no reason to change them: a PIN is a part of many a number."""
    client = Client(client.tables.current, fleet=("fleet", "the-fleets-password"))  # asks both ways
    client.dispatcher.context.recorder.masker = Masker(HIDDEN_KEYS, ENVIRONMENT.values())
    ours, secret = basic("agent-user", PASSWORD), ENVIRONMENT[name]
    call = {"call_id": f"C-{secret}", "from": f"+1{secret}", "to": secret, "password": "C-"}
    for path, body in (
        ("/desk", {"call": call}),
        ("/desk/swaig", {"function": secret, "call_id": secret, "call": call}),
        ("/sip", {"call": {"to": f"sip:{secret}@example.com"}}),
        (f"/{quote(secret)}", {}),
    ):
        response = client.post(path, body, auth=ours)
        assert not [word for word in OF_ENVIRONMENT if word.encode() in b"".join(client.spool.lines)]
        assert response.event is not None
    assert json.loads(client.spool.lines[0])["call_id"].startswith("C-")


def test_an_answer_is_masked_under_whatever_key_its_operator_hides() -> None:
    client = Client(fleet_table())
    client.dispatcher.context.recorder = Recorder(client.spool, "test", Masker(["response"]))
    assert client.post("/clinic/booking/swaig", {"function": "nope"}).event["response"] == {"response": "***"}
