"""The function tokens that the SDK makes, which the parent of an agent's hosts can read: it chose their secret.

A token is the URL-safe base64 form of `CALL.FUNCTION.EXPIRY.NONCE.MAC`: expiry in seconds since 1970, MAC the
hexadecimal HMAC-SHA256 over `CALL:FUNCTION:EXPIRY:NONCE` (docs/contract.md, 2.5; signalwire's session_manager).
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable

from agents.tokens import FOR_MCP, FOR_POST_PROMPT, Key, TokenKey

FUNCTION = b"function:"  # what `for_function` begins with
MAX_TOKEN = 2048  # characters


def swaig_secret(key: TokenKey, version: int) -> str:
    """The secret of one version's tokens, the same in all workers and replicas."""
    return key.mac(b"python:%d" % version).hex()


def signed_anew(token: str, secret: str) -> str:
    """The same token as another version would have made it; one that is none stays as it is."""
    try:
        *head, _ = base64.urlsafe_b64decode(token).decode().rsplit(".", 1)
        call_id, function, expiry, nonce = head[0].rsplit(".", 3)
    except (IndexError, ValueError):
        return token
    message = f"{call_id}:{function}:{expiry}:{nonce}".encode()
    mac = hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
    return base64.urlsafe_b64encode(f"{call_id}.{function}.{expiry}.{nonce}.{mac}".encode()).decode()


class SdkKey:
    """Tells which version a token of the SDK is of. Others are known, too: MCP's, and those of other kinds' versions.

    `others`: what knows those; only our own if it is left out.
    """

    __slots__ = ("others", "secrets")

    def __init__(self, key: TokenKey, versions: Iterable[int], others: Key | None = None):
        self.others = others or key
        self.secrets = {number: swaig_secret(key, number).encode() for number in versions}

    def digest(self, text: bytes) -> str:
        """The agent's, whatever its kind."""
        return self.others.digest(text)

    def version_of(self, token: str, purpose: bytes, call_ids: Iterable[str], now: float) -> int | None:
        """The version whose token this is, None if it is nobody's, too old, or for something else."""
        ours = self.others.version_of(token, purpose, call_ids, now)
        if ours is not None or purpose == FOR_MCP:
            return ours
        name = purpose.removeprefix(FUNCTION) if purpose.startswith(FUNCTION) else purpose
        if len(token) > MAX_TOKEN or (name == purpose and purpose != FOR_POST_PROMPT):
            return None
        try:
            *call, function, expiry, nonce, mac = base64.urlsafe_b64decode(token).decode().split(".")
            if function.encode() != name or int(expiry) < now:
                return None
        except ValueError:
            return None
        call_id = ".".join(call)
        if call_id not in call_ids:
            return None
        message = f"{call_id}:{function}:{expiry}:{nonce}".encode()
        for number, secret in self.secrets.items():
            if hmac.compare_digest(mac.encode(), hmac.new(secret, message, hashlib.sha256).hexdigest().encode()):
                return number
        return None
