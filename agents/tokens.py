"""Function tokens: proof that a document of ours, for this call, handed out this function's URL.

A token is the hexadecimal form of 24 bytes: the version's number and the time of expiry (both 4 bytes, big-endian;
seconds since 1970), then 16 bytes of keyed BLAKE2b (RFC 7693) over those 8 bytes, the purpose, NUL and the call id. The
key is derived from the master secret and the agent's name, so a token of one agent is nothing to another. BLAKE2b takes
0.5 µs where the standard library's HMAC takes 2.
"""

import hashlib
import hmac
import struct
from collections.abc import Iterable
from typing import Protocol

TOKEN_SECONDS = 24 * 60 * 60  # a call that lasts longer than a day keeps talking, without functions
HEAD = struct.Struct(">II")
MAC_BYTES = 16
TOKEN_CHARACTERS = 2 * (HEAD.size + MAC_BYTES)
DIGEST_BYTES = 8
FOR_DIGESTS = bytes(HEAD.size) + b"digests"  # as a token's text it would have expired in 1970

FOR_DEFAULTS = b"defaults"  # SWAIG.defaults.web_hook_url: names the version, opens no secure function
FOR_POST_PROMPT = b"post_prompt"
FOR_MCP = b"mcp"  # opens the secure functions of an agent to an MCP client, whichever version is live
MCP_CALL = "mcp"  # stands in such a token where others have the call


def for_function(name: str) -> bytes:
    """The purpose of a token that opens one function."""
    return b"function:" + raw(name)


def raw(text: str) -> bytes:
    """A text's bytes, also of one that is no UTF-8: callers choose call ids."""
    return text.encode("utf-8", "surrogatepass")


class Key(Protocol):
    """Knows an agent's function tokens; `TokenKey`, and others for agents that make their own."""

    def version_of(self, token: str, purpose: bytes, call_ids: Iterable[str], now: float) -> int | None:
        """The version that a token names, or None if it is not good for this purpose and call."""
        ...

    def digest(self, text: bytes) -> str:
        """By which answers of the agent are told apart, where they are not kept: 16 hexadecimal digits."""
        ...


class TokenKey:
    """Mints and checks the tokens of one agent."""

    __slots__ = ("digests", "keyed")

    def __init__(self, master_secret: str, agent: str):
        secret = hashlib.sha256(master_secret.encode()).digest()
        key = hashlib.blake2b(b"agent:" + agent.encode(), key=secret, digest_size=32).digest()
        self.keyed = hashlib.blake2b(key=key, digest_size=MAC_BYTES)  # copied for each token
        self.digests: hashlib.blake2b | None = None  # the same for digests, once there is one: 0.4 kB

    def mac(self, message: bytes) -> bytes:
        """The proof that we have made this."""
        keyed = self.keyed.copy()
        keyed.update(message)
        return keyed.digest()

    def digest(self, text: bytes) -> str:
        """By which answers are told apart. Only who has the key can find out by trying what was in a masked one."""
        digests = self.digests
        if digests is None:
            digests = self.digests = hashlib.blake2b(key=self.mac(FOR_DIGESTS), digest_size=DIGEST_BYTES)
        digest = digests.copy()
        digest.update(text)
        return digest.hexdigest()

    def mint(self, version: int, expires: int, purposes: Iterable[bytes], call_id: str) -> list[bytes]:
        """A token for each purpose, for one call."""
        head = HEAD.pack(version, expires)
        call = b"\0" + raw(call_id)
        begun = self.keyed.copy()
        begun.update(head)  # what is the same in all of them is worked out once
        tokens = []
        for purpose in purposes:
            mac = begun.copy()
            mac.update(purpose + call)
            tokens.append((head + mac.digest()).hex().encode())
        return tokens

    def version_of(self, token: str, purpose: bytes, call_ids: Iterable[str], now: float) -> int | None:
        """The version that a token names, or None if it is not ours, too old, or not for this purpose and call."""
        if len(token) != TOKEN_CHARACTERS:
            return None
        try:
            given = bytes.fromhex(token)
        except ValueError:
            return None
        head, mac = given[: HEAD.size], given[HEAD.size :]
        version, expires = HEAD.unpack(head) if len(given) == HEAD.size + MAC_BYTES else (0, 0)
        if expires < now:
            return None
        for call_id in call_ids:
            if hmac.compare_digest(mac, self.mac(head + purpose + b"\0" + raw(call_id))):
                return int(version)
        return None
