"""No secret in the routing log: values of telling keys, credentials and tokens in URLs, and what this server knows."""

import logging
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import orjson

MASK = "***"
MAX_HARMLESS = 10_000  # keys; callers can make up any number
MAX_HARMLESS_KEY = 64  # characters; of any length as well
SHORTEST_SECRET = 6  # characters of a variable that is looked for everywhere; shorter ones are no secrets, but words
SHORTEST_HIDDEN = 4  # characters of a value under a telling key that is looked for in the rest of its event
SHORTEST_NUMBER = 3  # the same if it is all digits, as the number on the back of a card
SHORTEST_PATH = 8  # characters of the path of a URL that is a secret
MAX_HIDDEN = 10  # of them; each is looked for in every text of the event
MAX_BETWEEN = 300  # bytes between the name and the value of {"name": …, "value": …} in text that is no JSON
# Looking into texts inside of JSON holds everybody up: thousands of short ones took 40 ms. Of an event so many bytes
# are looked into, about 5 ms of work; each text costs some more, and one that is no JSON and names a key a lot more.
MAX_LOOKED_INTO = 128 * 1024
PER_TEXT = 100
PER_LOOSE_TEXT = 400
AT, EQUALS, PERCENT = b"@=%"
USERINFO = re.compile(rb"(:(?:\\?/){2})[^/@\s\"\\]+@")  # also with JSON's escaped slashes
SIP_PASSWORD = re.compile(rb"(sips?:[^:@;?\s\"\\]+:)[^@\s\"\\]+@")  # RFC 3261, 19.1.1
SCHEME_SECRET = re.compile(rb"\b(Basic|Bearer) [A-Za-z0-9+/=._~-]{6,}", re.IGNORECASE)
UNFINISHED_USERINFO = re.compile(rb"(:(?:\\?/){2})[^/@\s\"\\]+\Z")
ESCAPED_SLASH = re.compile(r"(?<!\\)\\+/")  # as PHP writes it
ESCAPED_SLASH_IN_BYTES = re.compile(ESCAPED_SLASH.pattern.encode())
ESCAPED_LETTER = re.compile(rb"(?<!\\)\\+u00(2[013-9a-fA-F]|[346][0-9a-fA-F]|5[0-9abdefABDEF]|7[0-9a-eA-E])")
STRING = rb"\"(?:[^\"\\]|\\.)*\"?"
WHOLE_STRING = rb"\"(?:[^\"\\]|\\.)*\""
LITERAL = rb"(?:[-+.0-9eE]+|true|false|null)(?=\s*[,}\]])"
# What follows the = of a parameter: the rest of a quoted text, or what an address can hold. Escapes are taken whole.
PARAMETER = rb"(?:\\(?:\\\\)*\"[^\"\\]+|'[^'\"\\]+|(?:[^&\"\\\s]|\\[^\"nrtbf])+)"
ESCAPED_PARAMETER = rb"(?:(?!%26)[^&\"\\\s])+"
NOTHING = rb"(?!)"  # matches nowhere


class Verbatim(NamedTuple):
    """Secrets whose values are known, so that they are masked wherever they stand."""

    texts: tuple[str, ...] = ()
    marks: tuple[bytes, ...] = ()  # the same as JSON has them, to find them

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Verbatim":
        """These, and the forms in which they stand in JSON that is a text inside JSON; the longest first."""
        forms = {form for text in texts for form in (text, escaped(text))}
        ordered = tuple(sorted(forms, key=lambda form: (-len(form), form)))
        return cls(ordered, tuple(escaped(form).encode() for form in ordered)) if ordered else NO_SECRETS

    def is_in(self, text: bytes) -> bool:
        """Whether one of them stands in a JSON text."""
        return any(mark in text for mark in self.marks)

    def masked(self, text: str) -> str:
        """A text without them, also if it has them with escaped slashes."""
        if "\\/" in text:
            plain = ESCAPED_SLASH.sub("/", text)
            text = plain if any(secret in plain for secret in self.texts) else text
        for secret in self.texts:
            text = text.replace(secret, MASK)
        return text


NO_SECRETS = Verbatim()


class Masker:
    """Masks by a list of keys, whose case does not matter, and by the values of `secrets`."""

    def __init__(self, keys: Iterable[str], secrets: Iterable[str] = ()):
        self.keys = frozenset(key.lower() for key in keys)
        self.known = Verbatim.of(
            piece for secret in secrets for piece in pieces(secret) if len(piece) >= SHORTEST_SECRET
        )
        self.left = 0  # of MAX_LOOKED_INTO
        escaped_keys = [re.escape(key.encode()) for key in sorted(self.keys)]
        any_key = b"|".join(escaped_keys) or NOTHING
        names = rb"\"(?:" + any_key + rb")\""
        self.ends = (*self.keys, "token")  # of a parameter's name, in lower case
        self.harmless: set[str] = set()  # keys that were looked at: the platform uses the same ones again and again
        # JSON inside the texts of a JSON text: one of the keys in it, or further escapes, behind which one may hide.
        self.inside = re.compile(rb"\\(?:\\|\"(?:" + any_key + rb")\\\")", re.IGNORECASE)
        # In text that is no JSON: "key": value; {"name": "key", … "value": …} either way round; key: value; and
        # "key": {…, of which nothing says where it ends, so all that follows is masked.
        flags = re.IGNORECASE | re.DOTALL
        rest = rb"(?:[\[{].*|" + STRING + rb"|'[^']*'?|" + LITERAL + rb"|[^\r\n\"]+)"
        self.member = re.compile(rb"(" + names + rb"\s*[:=]>?\s*)" + rest, flags)
        self.loose = re.compile(rb"((?<![\w\"-])'?(?:" + any_key + rb")'?(?:\s*:|\s+=)\s*)" + rest, flags)
        self.quoted = re.compile(rb"(?<!\\)\\+\"(?:" + any_key + rb")\\+\"", flags)
        between = rb"[^{}]{0,%d}?" % MAX_BETWEEN
        name = rb"\"name\"\s*:\s*" + names
        self.named = re.compile(rb"(" + name + between + rb"\"value\"\s*:\s*)" + rest, flags)
        self.value_of_named = re.compile(rb"(\"value\"\s*:\s*)" + WHOLE_STRING + rb"(" + between + name + rb")", flags)
        # Begins with the one character, which is found quickly; then it is looked back. Names may end in a key.
        ends = [re.escape(end.encode()) for end in sorted(self.ends)]
        self.parameter = re.compile(
            rb"=(?:" + b"|".join(rb"(?<=" + end + rb"=)" for end in ends) + rb")" + PARAMETER, re.IGNORECASE
        )
        self.escaped_parameter = re.compile(
            rb"(%3d)(?:" + b"|".join(rb"(?<=" + end + rb"%3d)" for end in ends) + rb")" + ESCAPED_PARAMETER,
            re.IGNORECASE,
        )

    # --- JSON values --------------------------------------------------------------------------------------------------

    def suspects(self, value: dict[str, Any] | list[Any]) -> bool:
        """Whether a JSON value has something to mask. `RecursionError` if it is nested some hundred levels deep.

        Not only keys count: SIP headers come as {"name": …, "value": …}.
        """
        items: Iterable[Any] = value
        if value.__class__ is dict:
            if not self.harmless.issuperset(value) and not self.learn(value):
                return True
            if "name" in value and self.is_secret(value["name"]):
                return True
            items = value.values()
        for item in items:
            kind = item.__class__
            if (kind is dict or kind is list) and item and self.suspects(item):
                return True
        return False

    def learn(self, value: Any) -> bool:
        """Look at an object's keys and remember the harmless ones; False if one of them is not."""
        if any(self.is_secret(key) for key in value):
            return False
        if len(self.harmless) < MAX_HARMLESS:
            self.harmless.update(key for key in value if len(key) <= MAX_HARMLESS_KEY)
        return True

    def is_secret(self, key: Any) -> bool:
        """Whether this key's value must not be seen."""
        return key.__class__ is str and key.lower() in self.keys

    def is_secret_parameter(self, name: str) -> bool:
        """Whether the value of a parameter of a URL must not be seen: its name ends in a key, perhaps in brackets."""
        return name.lower().rstrip("[]").endswith(self.ends)

    def value(self, value: Any, known: Verbatim) -> Any:
        """A JSON value with what stands under those keys masked, and known secrets wherever they stand."""
        self.left = MAX_LOOKED_INTO
        return self.masked(value, known)

    def masked(self, value: Any, known: Verbatim) -> Any:
        """The same for a part of it."""
        if isinstance(value, dict):
            hidden = self.is_secret(value.get("name"))
            return {
                known.masked(key): MASK
                if self.is_secret(key) or (hidden and key == "value")
                else self.masked(item, known)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self.masked(item, known) for item in value]
        if isinstance(value, str):
            return known.masked(self.string(value, known) if '"' in value else value)
        return MASK if str(value) in known.texts else value

    def string(self, text: str, known: Verbatim) -> str:
        """A text that may be JSON itself: the platform sends arguments parsed and as the model wrote them.

        Masked as a whole if too much has been looked into already.
        """
        if not self.may_look_into(text, PER_TEXT):
            return MASK
        lower = text.lower()
        suspicious = any(key in lower for key in self.keys)
        try:
            inner = orjson.loads(text)
        except orjson.JSONDecodeError:
            if not suspicious:
                return text
            if not self.may_look_into(text, PER_LOOSE_TEXT):
                return MASK
            return self.members(text.encode()).decode(errors="replace")
        masked = self.masked(inner, known)
        # Also if nothing was masked: a key that comes twice has a value that was not looked at.
        return orjson.dumps(masked).decode() if suspicious or masked != inner else text

    def may_look_into(self, text: str, more: int) -> bool:
        """Whether there is time for one more text, however long that one is."""
        there_is = self.left > 0
        self.left -= len(text) + more
        return there_is

    def hidden(self, value: Any) -> Verbatim:
        """What stands under those keys: an answer may repeat it, a model's transcript too."""
        found: dict[str, None] = {}
        self.left = MAX_LOOKED_INTO
        for text in self.secrets_in(value):
            if len(text) >= SHORTEST_HIDDEN or (len(text) >= SHORTEST_NUMBER and text.isdigit()):
                found[text] = None
                if len(found) == MAX_HIDDEN:
                    break
        return Verbatim.of([*found, *self.known.texts])

    def secrets_in(self, value: Any, *, secret: bool = False) -> Iterator[str]:
        """The values under those keys, also in texts that are JSON; `secret`: this is under one of them."""
        if isinstance(value, dict):
            named = self.is_secret(value.get("name"))
            for key, item in value.items():
                yield from self.secrets_in(item, secret=secret or self.is_secret(key) or (named and key == "value"))
        elif isinstance(value, list):
            for item in value:
                yield from self.secrets_in(item, secret=secret)
        elif secret and not isinstance(value, bool) and value is not None:
            yield from pieces(str(value))
        elif isinstance(value, str) and '"' in value and self.may_look_into(value, PER_TEXT):
            try:
                inner = orjson.loads(value)
            except orjson.JSONDecodeError:
                return
            yield from self.secrets_in(inner)

    # --- texts --------------------------------------------------------------------------------------------------------

    def text(self, text: bytes) -> bytes:
        """The same for text that is no JSON, or is cut off."""
        return end_masked(self.line(self.members(text)))

    def members(self, text: bytes) -> bytes:
        """Text that is no JSON with the values of those keys masked, and known secrets."""
        if b"\\u00" in text:
            text = ESCAPED_LETTER.sub(lambda found: bytes.fromhex(found[1].decode()), text)
        if b"\\/" in text:
            text = ESCAPED_SLASH_IN_BYTES.sub(b"/", text)
        mask = b'"' + MASK.encode() + b'"'
        if b"\\" in text and self.quoted.search(text):  # in JSON inside a text, of which nothing says where it ends
            text = text[: text.index(b'\\"')] + mask
        text = self.value_of_named.sub(rb"\1" + mask + rb"\2", text)
        text = self.member.sub(rb"\1" + mask, self.named.sub(rb"\1" + mask, text))
        text = self.loose.sub(rb"\1" + mask, text)
        for secret in self.known.texts:
            text = text.replace(secret.encode(), MASK.encode())
        return text

    def line(self, line: bytes) -> bytes:
        """A finished line: credentials and tokens, and parameters of those names, masked wherever they stand."""
        # The single characters are looked for first, and as numbers: that takes a fraction of the time.
        if AT in line:
            line = without_userinfo(line)
        if EQUALS in line:
            line = self.parameter.sub(b"=" + MASK.encode(), line)
        if PERCENT in line and (b"%3D" in line or b"%3d" in line):
            line = self.escaped_parameter.sub(rb"\1" + MASK.encode(), line)
        if b"asic " in line or b"earer " in line:
            line = SCHEME_SECRET.sub(rb"\1 " + MASK.encode(), line)
        return line


class MaskedFormatter(logging.Formatter):
    """Masks what goes to the server's log, tracebacks included."""

    def __init__(self, *, keys: Iterable[str], **options: Any):
        super().__init__(**options)
        self.masker = Masker(keys)

    def format(self, record: logging.LogRecord) -> str:
        """The record as a text without secrets."""
        return self.masker.line(super().format(record).encode(errors="replace")).decode(errors="replace")


def without_userinfo(text: bytes) -> bytes:
    """A text without users and passwords in its URLs."""
    if b":/" in text or b":\\/" in text:
        text = USERINFO.sub(rb"\1" + MASK.encode() + b"@", text)
    return SIP_PASSWORD.sub(rb"\1" + MASK.encode() + b"@", text) if b"sip" in text else text


def end_masked(text: bytes) -> bytes:
    """A text that was cut off, perhaps inside the userinfo of a URL."""
    return UNFINISHED_USERINFO.sub(rb"\1" + MASK.encode(), text)


def escaped(text: str) -> str:
    """A text as it stands in JSON, without its quotes."""
    return orjson.dumps(text.encode(errors="replace").decode())[1:-1].decode()


def pieces(secret: str) -> Iterator[str]:
    """A secret and the parts of it that are secrets too: behind a scheme's name, and in a URL."""
    yield secret
    scheme, _, value = secret.partition(" ")
    if value and scheme.lower() in ("basic", "bearer"):
        yield value
    if (quoted := quote(secret, safe="")) != secret:
        yield quoted
    if "://" not in secret:
        return
    try:
        parts = urlsplit(secret)
        password = parts.password
    except ValueError:
        return
    if password:
        yield password
        yield unquote(password)
    if len(parts.path) >= SHORTEST_PATH:
        yield parts.path
    for _, value in parse_qsl(parts.query):
        if len(value) >= SHORTEST_SECRET:
            yield value
            yield quote(value, safe="")
