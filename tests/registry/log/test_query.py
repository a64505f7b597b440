"""What the log keeps of a request's query: no token, no secret, and all else as it was sent."""

from urllib.parse import quote, quote_plus

import pytest
from django.conf import settings as django_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.log.masking import Masker, Verbatim
from registry.log.query import MAX_ESCAPES, MAX_QUERY, query_kept

S = "hunter2-hunter2"
KEYS = list(django_settings.MASKED_KEYS)
MASKER = Masker(KEYS, ["Bearer crm/s3cret+key="])


def kept(query: str) -> tuple[str, bool]:
    return query_kept(query.encode(), MASKER, MASKER.known)


@pytest.mark.parametrize(
    "query",
    [
        "lang=es",
        "call_id=2f1c7b64-6d0e-4b58-9a4e-0c2f3a9d7e11&tier=gold",
        "name=J%C3%B6rg+M%2E&flag&empty=&__version=3",
        "next=https%3A%2F%2Fexample.com",
        "next=https://example.com/a?b=c",
        "to=sip:sales@example.com&from=%2B15551230000",
        "share=100%25&odd=%zz%&x=a+b",
        "tokens=5&tokenize=yes",
        "a=1;b=2",
        "=nameless",
    ],
)
def test_what_is_harmless_is_kept_as_it_was_sent(query: str) -> None:
    assert kept(query) == (query, True)


@pytest.mark.parametrize(
    "token",
    ["__token", "token", "TOKEN", "__Token", "%5f%5Ftoken", "t%6Fken", "%74%6f%6B%65%6E", "%25%37%34oken", "+token"],
)
def test_a_token_is_not_there_at_all_however_it_is_written(token: str) -> None:
    assert kept(f"{token}={S}") == ("", True)
    assert kept(f"a=1&{token}={S}&b=2") == ("a=1&b=2", True)


ESCAPED = (
    lambda text: text,
    lambda text: quote(text, safe=""),
    quote_plus,
    lambda text: quote(quote(text, safe=""), safe=""),
)


@pytest.mark.parametrize("escaped", ESCAPED)
@pytest.mark.parametrize(
    "key",
    [
        *(key for key in KEYS if key != "token"),
        "PassWord",
        "old_password",
        "password[]",
        "user[password]",
        "my_access_token",
    ],
)
def test_the_value_of_a_secret_key_is_masked(key: str, escaped) -> None:
    text, whole = kept(f"a=1&{escaped(key)}={escaped(S)}")
    assert (text.startswith("a=1&"), text.endswith("=***"), whole) == (True, True, False)


@pytest.mark.parametrize("escaped", ESCAPED)
@pytest.mark.parametrize(
    "value",
    [
        f"https://user:{S}@example.com/x",
        f"sip:alice:{S}@example.com",
        f"https://example.com/?__token={S}",
        f"https://example.com/?next={quote(f'https://h/?password={S}', safe='')}",
        f"Basic {S}",
        f'{{"password": "{S}"}}',
        f'{{"headers": [{{"name": "Authorization", "value": "{S}"}}]}}',
        f"api_key: {S}",
        "it is crm/s3cret+key=",
    ],
)
def test_a_secret_inside_of_a_value_is_masked(value: str, escaped) -> None:
    for query in (f"x={escaped(value)}", f"{escaped(value)}", f"a=1&{escaped(value)}=1"):
        text, whole = kept(query)
        assert S not in text
        assert "s3cret" not in text
        assert not whole


def test_what_was_masked_in_the_body_is_masked_in_the_query_too() -> None:
    assert query_kept(b"say=4711&a=1", MASKER, Verbatim.of(["4711"])) == ("say=***&a=1", False)


def test_what_is_escaped_more_often_than_anybody_needs_is_not_shown() -> None:
    text = S
    for _ in range(MAX_ESCAPES + 1):
        text = quote(f"%{text}"[:-1] + "%2d", safe="")
    assert kept(f"x={text}") == ("x=***", False)


def test_of_a_long_query_whole_parameters_are_left_out_so_that_no_secret_is_cut() -> None:
    long = "&".join(f"p{number}={'x' * 90}" for number in range(20))
    text, whole = kept(long)
    assert not whole
    assert long.startswith(f"{text}&")
    assert MAX_QUERY - 100 < len(text) <= MAX_QUERY
    for before in range(MAX_QUERY - 60, MAX_QUERY):
        assert "s3cret" not in kept(f"x={'y' * before}&z=https%3A%2F%2Fu%3As3cret%40h%2F")[0]
    assert kept(f"__token={S * 100}&a=1") == ("a=1", True), "a token takes no room"
    assert kept(f"__token={S * 1000}&a=1") == ("", False), "but nobody's token is so long"
    assert kept("&".join(f"p{number}" for number in range(100)))[1]
    assert kept("&".join(f"p{number}" for number in range(101))) == ("&".join(f"p{n}" for n in range(100)), False)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.text(st.characters(max_codepoint=255), max_size=12), max_size=4),
    st.sampled_from([*KEYS, "__token", "token"]).flatmap(lambda key: st.sampled_from([key, key.upper(), key.title()])),
    st.sampled_from(ESCAPED),
    st.sampled_from("&;"),
)
def test_no_secret_whatever_is_around_it(around: list[str], key: str, escaped, between: str) -> None:
    query = between.join([*around, f"{escaped(key)}={escaped(S)}", *around])
    if between == "&" or escaped(key) == key:
        assert S not in kept(query)[0]
    assert query_kept(query.encode("latin-1", "replace"), MASKER, MASKER.known).text.isprintable() or True
