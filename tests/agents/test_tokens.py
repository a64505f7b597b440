"""Function tokens are good for one agent, version, function and call, and for a day."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.tokens import FOR_DEFAULTS, FOR_POST_PROMPT, TOKEN_CHARACTERS, TOKEN_SECONDS, TokenKey, for_function
from tests.agents.strategies import quick

NOW = 1_800_000_000
EXPIRES = NOW + TOKEN_SECONDS
KEY = TokenKey("master", "booking-desk")
FIND_SLOT = for_function("find_slot")

numbers = st.integers(0, 2**32 - 1)
call_ids = st.text(st.characters(), max_size=20)  # also half surrogate pairs: callers choose them
purposes = st.sampled_from((FOR_DEFAULTS, FOR_POST_PROMPT, FIND_SLOT, for_function("refill"), for_function("défaut")))


def minted(version: int = 7, expires: int = EXPIRES, purpose: bytes = FIND_SLOT, call_id: str = "C7") -> str:
    """One token."""
    return KEY.mint(version, expires, [purpose], call_id)[0].decode()


@quick
@given(numbers, st.integers(NOW, 2**32 - 1), purposes, call_ids)
def test_a_token_proves_its_version_for_its_purpose_and_call(
    version: int, expires: int, purpose: bytes, call_id: str
) -> None:
    token = minted(version, expires, purpose, call_id)
    assert len(token) == TOKEN_CHARACTERS
    assert token.isalnum()  # stands in a URL as it is
    assert KEY.version_of(token, purpose, [call_id], NOW) == version
    assert TokenKey("master", "booking-desk").version_of(token, purpose, [call_id], NOW) == version  # another replica


@quick
@given(st.integers(0, TOKEN_CHARACTERS // 2 - 1), st.integers(1, 255))
def test_a_token_with_any_byte_changed_is_refused(position: int, change: int) -> None:
    changed = bytearray.fromhex(minted())
    changed[position] ^= change
    assert KEY.version_of(changed.hex(), FIND_SLOT, ["C7"], NOW) is None


@quick
@given(call_ids, call_ids, purposes, purposes, st.text(max_size=9), st.text(max_size=9))
def test_a_token_of_another_call_purpose_agent_or_secret_is_refused(
    call_id: str, other_call: str, purpose: bytes, other_purpose: bytes, agent: str, other_agent: str
) -> None:
    token = TokenKey("master", agent).mint(7, EXPIRES, [purpose], call_id)[0].decode()
    same = (call_id, purpose, agent) == (other_call, other_purpose, other_agent)
    found = TokenKey("master", other_agent).version_of(token, other_purpose, [other_call], NOW)
    assert found == (7 if same else None)
    assert TokenKey("another", agent).version_of(token, purpose, [call_id], NOW) is None


@pytest.mark.parametrize(
    ("purpose", "call_id"),
    [(for_function("refill"), "C7"), (FOR_DEFAULTS, "C7"), (FOR_POST_PROMPT, "C7"), (FIND_SLOT, "C8"), (FIND_SLOT, "")],
)
def test_a_token_for_one_function_and_call_opens_nothing_else(purpose: bytes, call_id: str) -> None:
    assert KEY.version_of(minted(), purpose, [call_id], NOW) is None
    assert KEY.version_of(minted(), FIND_SLOT, ["C7"], NOW) == 7


def test_functions_named_like_our_own_purposes_have_tokens_of_their_own() -> None:
    for name, purpose in (("defaults", FOR_DEFAULTS), ("post_prompt", FOR_POST_PROMPT)):
        assert KEY.version_of(minted(purpose=for_function(name)), purpose, ["C7"], NOW) is None
        assert KEY.version_of(minted(purpose=purpose), for_function(name), ["C7"], NOW) is None


def test_a_token_is_good_until_it_expires_and_not_after() -> None:
    token = minted()
    assert KEY.version_of(token, FIND_SLOT, ["C7"], EXPIRES) == 7
    assert KEY.version_of(token, FIND_SLOT, ["C7"], EXPIRES + 0.001) is None
    assert KEY.version_of(token, FIND_SLOT, ["C7"], EXPIRES + 10**6) is None


def test_a_token_may_be_for_any_of_the_call_ids_of_a_request() -> None:
    assert KEY.version_of(minted(), FIND_SLOT, ("other", "C7"), NOW) == 7
    assert KEY.version_of(minted(), FIND_SLOT, ("other",), NOW) is None
    assert KEY.version_of(minted(), FIND_SLOT, (), NOW) is None


def test_call_ids_that_are_no_utf_8_are_not_taken_for_each_other() -> None:
    token = minted(call_id="\ud800")
    assert KEY.version_of(token, FIND_SLOT, ["\ud800"], NOW) == 7
    assert KEY.version_of(token, FIND_SLOT, ["\udfff", "?", "\ufffd"], NOW) is None


def test_tokens_come_in_the_order_of_their_purposes() -> None:
    wanted = [FOR_POST_PROMPT, for_function("a"), for_function("b"), FOR_DEFAULTS]
    tokens = KEY.mint(7, EXPIRES, wanted, "C7")
    assert [KEY.version_of(token.decode(), purpose, ["C7"], NOW) for token, purpose in zip(tokens, wanted, strict=True)]
    assert len(set(tokens)) == 4


def test_a_token_says_nothing_of_the_secret_the_agent_or_the_call() -> None:
    head = (7).to_bytes(4) + EXPIRES.to_bytes(4)
    assert bytes.fromhex(minted()).startswith(head)
    assert len(bytes.fromhex(minted())) == len(head) + 16


@pytest.mark.parametrize(
    "token",
    ["", "garbage", "0" * TOKEN_CHARACTERS, "z" * TOKEN_CHARACTERS, "é" * TOKEN_CHARACTERS, " " * TOKEN_CHARACTERS],
)
def test_garbage_is_refused(token: str) -> None:
    assert KEY.version_of(token, FIND_SLOT, ["C7"], NOW) is None
    assert KEY.version_of(token, FIND_SLOT, [""], 0) is None


def test_a_token_with_blanks_or_of_another_length_is_refused() -> None:
    token = minted()
    for changed in (token[:-2], token + "00", f" {token[:-1]}", f"{token[:-2]}  ", f"{token[:24]}  {token[26:]}"):
        assert KEY.version_of(changed, FIND_SLOT, ["C7"], NOW) is None


@quick
@given(st.text(st.characters(), max_size=TOKEN_CHARACTERS) | st.text("0123456789abcdef ", min_size=48, max_size=48))
def test_any_text_is_refused_without_an_exception(text: str) -> None:
    assert KEY.version_of(text, FIND_SLOT, ["C7"], 0) is None


@quick
@given(st.binary(max_size=200))
def test_a_digest_tells_answers_apart_for_who_has_the_key_alone(text: bytes) -> None:
    digest = KEY.digest(text)
    assert len(digest) == 16
    assert set(digest) <= set("0123456789abcdef")
    assert digest == TokenKey("master", "booking-desk").digest(text)  # another replica
    assert digest not in {KEY.digest(text + b"!"), TokenKey("master", "pharmacy").digest(text)}


def test_a_digest_is_no_part_of_a_token_that_is_good() -> None:
    """What is digested is somebody else's choice: an answer that looks like a token's text."""
    (token,) = KEY.mint(7, EXPIRES, [FIND_SLOT], "C7")
    head = bytes.fromhex(token.decode())[:8]
    assert not token.decode().endswith(KEY.digest(head + FIND_SLOT + b"\0C7"))
    assert KEY.digest(head + FIND_SLOT + b"\0C7") not in token.decode()
