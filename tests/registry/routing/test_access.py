import base64
import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.routing.access import authorised, has_signature, port_forms, signed
from registry.routing.table import Credentials
from tests.client import basic

KEY = "PSK_secret"
URL = "https://voice.example.com/sales/swaig?__token=a%3D&x=1"
BODY = b'{"function": "go"}'


def sign(url=URL, body=BODY, digest="sha256", key=KEY):
    return hmac.new(key.encode(), url.encode() + body, digest).hexdigest().encode()


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
@pytest.mark.parametrize(
    ("user", "password"), [("u", "p"), ("ü", "pässwörd"), ("u", "a:b:c"), ("u", "p@ss/w:rd#1 日本")]
)
def test_the_right_credentials_get_in_in_any_case_of_the_scheme(scheme, user, password):
    assert authorised(basic(user, password, scheme=scheme).encode(), Credentials.of(user, password))


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        b"Basic",
        b"Basic ",
        b"Basic !!!",
        b"Basic dTp",
        b"Bearer dTpw",
        b"dTpw",
        b"BasicdTpw",
        b"Basic \xff\xfe",
        basic("u", "P").encode(),
        basic("U", "p").encode(),
        basic("u", "p ").encode(),
        basic("u", "").encode(),
        basic("", "p").encode(),
        basic("up", "").encode(),
        b"Basic " + base64.b64encode(b"up"),
    ],
)
def test_everything_else_stays_outside(header):
    assert not authorised(header, Credentials.of("u", "p"))


def test_spaces_around_the_value_do_not_matter():
    assert authorised(b" Basic   dTpw ", Credentials.of("u", "p"))


def test_without_credentials_nobody_gets_in():
    assert not authorised(basic("", "").encode(), None)
    assert not authorised(b"", None)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=60))
def test_any_header_is_judged(header):
    assert authorised(header, Credentials.of("u", "p")) == (header.strip() in (b"Basic dTpw", b"basic dTpw"))


@settings(deadline=None, max_examples=50)
@given(
    st.text(st.characters(exclude_characters=":", exclude_categories=["Cs"]), min_size=1),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
)
def test_any_user_and_password_get_in_with_their_own_header_only(user, password):
    credentials = Credentials.of(user, password)
    assert authorised(basic(user, password).encode(), credentials)
    assert authorised(basic(user, password, scheme="bAsIc").encode(), credentials)
    assert not authorised(basic(user, password + "x").encode(), credentials)
    assert not authorised(basic(user + "x", password).encode(), credentials)


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        (b"x-signalwire-sha256-signature", "sha256"),
        (b"x-signalwire-signature", "sha1"),
        (b"x-twilio-signature", "sha1"),
    ],
)
def test_a_signature_covers_url_and_body(name, digest):
    def judge(value, url=URL, body=BODY, key=KEY):
        return signed(key, url, {}, body, {name: value})

    good = sign(digest=digest)
    assert judge(good)
    assert judge(good.upper())
    assert not judge(good, body=BODY + b" ")
    assert not judge(good, url=URL + "&y=2")
    assert not judge(good, url=URL.replace("https", "http"))
    assert not judge(good, key="another")
    assert not judge(good[:-1])
    assert not judge(b"")
    assert not judge("ü".encode())
    assert not judge(sign(body=b"", digest=digest)), "one over the URL alone would accept any body"


def test_a_sha256_signature_counts_alone_if_it_is_there():
    headers = {b"x-signalwire-sha256-signature": b"wrong", b"x-signalwire-signature": sign(digest="sha1")}
    assert not signed(KEY, URL, {}, BODY, headers)


def test_one_hash_is_not_taken_for_the_other():
    assert not signed(KEY, URL, {}, BODY, {b"x-signalwire-signature": sign(digest="sha256")})
    assert not signed(KEY, URL, {}, BODY, {b"x-signalwire-sha256-signature": sign(digest="sha1")})


def test_a_base64_signature_over_the_url_counts_only_with_the_bodys_digest_in_it():
    digest = hashlib.sha256(BODY).hexdigest()
    url = f"{URL}&bodySHA256={digest}"

    def over(text):
        return {b"x-signalwire-signature": base64.b64encode(hmac.digest(KEY.encode(), text.encode(), "sha1"))}

    assert signed(KEY, url, {"bodySHA256": digest}, BODY, over(url))
    assert not signed(KEY, url, {"bodySHA256": digest}, b"another body", over(url))
    assert not signed(KEY, URL, {}, BODY, over(URL))
    assert not signed(KEY, URL, {"bodySHA256": ""}, BODY, over(URL))
    assert not signed(KEY, URL, {"bodySHA256": "é"}, BODY, over(URL))


@pytest.mark.parametrize(
    ("seen", "signed_as", "same"),
    [
        ("https://h/x", "https://h:443/x", True),
        ("https://h:443/x", "https://h/x", True),
        ("http://h/x?a=b", "http://h:80/x?a=b", True),
        ("http://[::1]/x", "http://[::1]:80/x", True),
        ("https://h/x", "https://h:80/x", False),
        ("https://h:8443/x", "https://h/x", False),
        ("https://h/x", "http://h/x", False),
    ],
)
def test_the_default_port_may_be_written_or_not(seen, signed_as, same):
    for digest, name in (("sha256", b"x-signalwire-sha256-signature"), ("sha1", b"x-signalwire-signature")):
        assert signed(KEY, seen, {}, BODY, {name: sign(signed_as, digest=digest)}) is same


def test_the_first_form_is_the_url_as_it_is():
    assert next(port_forms(URL)) == URL


def test_a_signature_is_seen_before_it_is_checked():
    assert has_signature({b"x-twilio-signature": b""})
    assert has_signature({b"x-signalwire-signature": b"x"})
    assert has_signature({b"x-signalwire-sha256-signature": b"x"})
    assert not has_signature({b"signature": b"x"})
