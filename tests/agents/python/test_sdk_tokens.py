"""The tokens that the SDK makes in a host are read by the worker that chose their secret."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signalwire.core.security.session_manager import SessionManager

from agents.python.sdk_tokens import SdkKey, signed_anew, swaig_secret
from agents.tokens import FOR_DEFAULTS, FOR_MCP, FOR_POST_PROMPT, MCP_CALL, TokenKey, for_function
from tests.agents.strategies import quick

MASTER = TokenKey("master", "sales")
KEY = SdkKey(MASTER, [1, 2, 3])
NOW = 1_700_000_000.0  # SessionManager looks at the clock itself: long before it
BOOK = for_function("book")


def minted(function: str = "book", call_id: str = "C1", version: int = 2, seconds: int = 60) -> str:
    """A token as the SDK makes it in a host of this version."""
    return SessionManager(seconds, swaig_secret(MASTER, version)).generate_token(function, call_id)


def parts(token: str) -> list[str]:
    """What it is made of."""
    return base64.urlsafe_b64decode(token).decode().split(".")


def joined(*found: str) -> str:
    """A token of such parts."""
    return base64.urlsafe_b64encode(".".join(found).encode()).decode()


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_token_of_the_sdk_names_its_version(version: int) -> None:
    assert KEY.version_of(minted(version=version), BOOK, ["other", "C1"], NOW) == version
    assert KEY.version_of(minted("post_prompt", version=version), FOR_POST_PROMPT, ["C1"], NOW) == version


@quick
@given(
    st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=40),
    st.sampled_from(["book", "défaut", "a-b"]),
)
def test_whatever_the_call_is_called(call_id: str, function: str) -> None:
    token = minted(function, call_id)
    assert KEY.version_of(token, for_function(function), [call_id], NOW) == 2
    assert KEY.version_of(token, for_function(function), [call_id + "x"], NOW) is None


@pytest.mark.parametrize("call_id", ["a.b.c", "book.1.2.3", ".", "..", "C1."])
def test_dots_in_a_call_id_confuse_nobody(call_id: str) -> None:
    assert KEY.version_of(minted(call_id=call_id), BOOK, [call_id], NOW) == 2
    assert KEY.version_of(minted(call_id=call_id), BOOK, ["C1", "a", ""], NOW) is None


def test_it_is_good_for_nothing_else() -> None:
    token = minted()
    assert KEY.version_of(token, BOOK, ["C2"], NOW) is None
    assert KEY.version_of(token, BOOK, [], NOW) is None
    assert KEY.version_of(token, for_function("other"), ["C1"], NOW) is None
    assert KEY.version_of(token, FOR_POST_PROMPT, ["C1"], NOW) is None
    assert KEY.version_of(token, FOR_DEFAULTS, ["C1"], NOW) is None
    assert KEY.version_of(token, FOR_MCP, ["C1"], NOW) is None
    assert KEY.version_of(token, BOOK, ["C1"], float(parts(token)[2]) + 1) is None, "too late"
    assert SdkKey(MASTER, [1, 3]).version_of(token, BOOK, ["C1"], NOW) is None, "of a version that is gone"
    assert SdkKey(TokenKey("master", "billing"), [2]).version_of(token, BOOK, ["C1"], NOW) is None, "another agent's"
    assert SdkKey(TokenKey("another", "sales"), [2]).version_of(token, BOOK, ["C1"], NOW) is None


def test_a_token_that_was_tampered_with_is_nobodys() -> None:
    call_id, function, expiry, nonce, mac = parts(minted())
    for changed in (
        joined("C2", function, expiry, nonce, mac),
        joined(call_id, function, str(int(expiry) + 9), nonce, mac),
        joined(call_id, function, expiry, "0" * 16, mac),
        joined(call_id, function, expiry, nonce, mac[:-1] + ("0" if mac[-1] != "0" else "1")),
        joined(call_id, function, expiry, nonce, mac[:-1]),
        joined(call_id, function, expiry, nonce, ""),
        joined(call_id, function, expiry, nonce, "é" + mac[1:]),
        joined(call_id, function, "never", nonce, mac),
        joined(call_id, function, expiry, mac),
        "",
        "é",
        "%%%",
        "YQ==",
        base64.urlsafe_b64encode(b"\xff\xfe.book.1.2.3").decode(),
        "A" * 3000,
    ):
        assert KEY.version_of(changed, BOOK, ["C1", "C2"], NOW) is None, changed


@quick
@given(st.text(max_size=80) | st.binary(max_size=80).map(lambda data: base64.urlsafe_b64encode(data).decode()))
def test_no_text_makes_it_stumble(text: str) -> None:
    assert KEY.version_of(text, BOOK, ["C1"], NOW) is None
    assert isinstance(signed_anew(text, "secret"), str)


def test_tokens_for_mcp_are_ours() -> None:
    token = MASTER.mint(1, int(NOW) + 9, [FOR_MCP], MCP_CALL)[0].decode()
    assert KEY.version_of(token, FOR_MCP, [MCP_CALL], NOW) == 1
    assert KEY.version_of(minted("mcp", MCP_CALL), FOR_MCP, [MCP_CALL], NOW) is None


@pytest.mark.parametrize("call_id", ["C1", "a.b", "é"])
def test_another_version_can_take_over_what_was_proven(call_id: str) -> None:
    anew = signed_anew(minted(call_id=call_id, version=2), swaig_secret(MASTER, 3))
    assert KEY.version_of(anew, BOOK, [call_id], NOW) == 3
    assert SessionManager(60, swaig_secret(MASTER, 3)).validate_token(call_id, "book", anew)
    assert signed_anew("none", "secret") == "none"


def test_each_version_and_agent_has_a_secret_of_its_own() -> None:
    secrets = {swaig_secret(TokenKey("master", agent), version) for agent in ("a", "b") for version in (1, 2)}
    assert len(secrets) == 4
    assert swaig_secret(TokenKey("master", "a"), 1) in secrets, "the same in every process"


def test_the_digest_of_an_answer_is_the_agents_whatever_its_kind() -> None:
    assert KEY.digest(b"x") == MASTER.digest(b"x")
    assert SdkKey(MASTER, [1], KEY).digest(b"x") == MASTER.digest(b"x")
