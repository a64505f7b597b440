"""Who may ask: Basic credentials (RFC 7617) and the platform's request signatures (docs/contract.md, 2.6)."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit, urlunsplit

from registry.routing.table import Credentials

Headers = Mapping[bytes, bytes]
SIGNATURES_SHA1 = (b"x-signalwire-signature", b"x-twilio-signature")
SIGNATURE_SHA256 = b"x-signalwire-sha256-signature"
DEFAULT_PORTS = {"http": 80, "https": 443}


def authorised(header: bytes | None, credentials: Credentials | None) -> bool:
    """Whether an Authorization header proves the credentials. Without any, nobody gets in."""
    if header is None or credentials is None:
        return False
    if hmac.compare_digest(header, credentials.header):
        return True
    scheme, _, value = header.strip().partition(b" ")
    if scheme.lower() != b"basic":
        return False
    try:
        given = base64.b64decode(value.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    user, colon, password = given.partition(b":")
    same_user = hmac.compare_digest(user, credentials.user.encode())
    same_password = hmac.compare_digest(password, credentials.password.encode())
    return bool(colon) and same_user and same_password


def has_signature(headers: Headers) -> bool:
    """Whether there is a signature at all: the cheap check before the body is read."""
    return SIGNATURE_SHA256 in headers or any(name in headers for name in SIGNATURES_SHA1)


def signed(key: str, url: str, query: Mapping[str, str], body: bytes, headers: Headers) -> bool:
    """Whether the platform signed this very request: its URL, as the platform knows it, and its body.

    SHA-256 or SHA-1 over URL and body in hexadecimal; or base64 SHA-1 over the URL alone if that carries the body's
    digest as `bodySHA256` (the form without it would accept any body, so it is refused).
    """
    secret = key.encode()
    given = headers.get(SIGNATURE_SHA256)
    if given is not None:
        return any(
            hmac.compare_digest(
                hmac.new(secret, form.encode() + body, hashlib.sha256).hexdigest().encode(), given.lower()
            )
            for form in port_forms(url)
        )
    given = next((headers[name] for name in SIGNATURES_SHA1 if name in headers), b"")
    covered = hmac.compare_digest(query.get("bodySHA256", "").encode(), hashlib.sha256(body).hexdigest().encode())
    for form in port_forms(url):
        over_body = hmac.new(secret, form.encode() + body, hashlib.sha1).hexdigest().encode()
        if hmac.compare_digest(over_body, given.lower()):
            return True
        over_url = base64.b64encode(hmac.digest(secret, form.encode(), "sha1"))
        if covered and hmac.compare_digest(over_url, given):
            return True
    return False


def port_forms(url: str) -> Iterator[str]:
    """The URL as it is, and with its scheme's default port written out or left out: signers differ in that."""
    yield url
    parts = urlsplit(url)
    port = DEFAULT_PORTS.get(parts.scheme)
    if parts.netloc.endswith(f":{port}"):
        yield urlunsplit(parts._replace(netloc=parts.netloc.removesuffix(f":{port}")))
    elif ":" not in parts.netloc.rpartition("]")[2]:
        yield urlunsplit(parts._replace(netloc=f"{parts.netloc}:{port}"))
