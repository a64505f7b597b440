"""One normaliser for routes and one for SIP addresses: what is registered and what is asked for are compared alike."""

import re
import unicodedata
from urllib.parse import unquote

from agents.wire import SUB_PATHS
from registry.base.errors import Conflict, Malformed
from registry.base.text import is_storable

# First segments that are ours, and last ones that stand behind an agent's route.
RESERVED_FIRST = frozenset({"health", "ready", "metrics", "sip", "dashboard", "admin", "api", "static", "ws"})
RESERVED_LAST = SUB_PATHS
MAX_ROUTE = 200  # characters; a public URL with its token stays far below what proxies accept
MAX_NAME = 63  # characters of an agent's, as in a label of DNS
MAX_USERNAME = 128  # characters
MAX_TYPED = 200  # characters that are kept of how a name was typed
MAX_ADDRESS = 16 * MAX_USERNAME  # characters: percent-encoded, one can be twelve; the rest is for host and parameters
SEGMENT = re.compile(r"[A-Za-z0-9._~-]+\Z")  # RFC 3986's unreserved characters: the same in every encoding
NOT_IN_USERNAME = re.compile(r"[\s@:;?<>\"%\\\x00-\x1f\x7f]")
AGENT_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?\Z")

SCHEME = re.compile(r"\s*(sips?|tel):", re.IGNORECASE)
# RFC 3261's name-addr: a display name, in quotes or not, then the address in <>. Nothing is tried twice (the + behind a
# quantifier), so hostile texts take no longer than others. Before the < stands no ;, for what follows that are the
# parameters of a header whose address has no <>.
NAME_ADDR = re.compile(r'(?:"(?:[^"\\]|\\.)*+"|[^"<;])*+<([^>]*+)', re.DOTALL)
SEPARATORS = str.maketrans("", "", "-.() ")  # RFC 3966's visual separators
NUMBER_STARTS = frozenset("+(0123456789*#")
NUMBER = re.compile(r"\+[0-9]+\Z|[0-9]{4,}\Z")  # a shorter one without + is a name
IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}\Z")  # the host of an address without a user
MARKED_NUMBER = re.compile(r"\+?[0-9*#]+\Z")  # after user=phone
PHONE = re.compile(r";user=phone(?![^;?>\s])", re.IGNORECASE)
NORTH_AMERICAN = 10  # digits of a number there, without its +1


def normalise_route(text: str) -> str:
    """A route as it is registered: one leading slash, none at the end; `/` is the root.

    Raises `Malformed` for what no URL path of ours can be, `Conflict` for reserved words.
    """
    if not isinstance(text, str):
        raise Malformed("a route must be a text such as /sales", about="route")
    path = text if text.startswith("/") else f"/{text}"
    path = path.removesuffix("/")
    if not path:
        return "/"
    if len(path) > MAX_ROUTE:
        raise Malformed(f"the route is longer than {MAX_ROUTE} characters", about="route")
    segments = path[1:].split("/")
    for segment in segments:
        if segment in ("", ".", "..") or not SEGMENT.match(segment):
            raise Malformed(
                f"{text[:MAX_ROUTE]!r} is not a route: use letters, digits, '-', '_', '.' and '~' between single "
                "slashes, such as /clinic/booking",
                about="route",
            )
    if segments[0].lower() in RESERVED_FIRST:
        words = f"/{segments[0]} is reserved for Switchboard itself: choose another first segment"
        raise Conflict(words, about="route")
    if segments[-1].lower() in RESERVED_LAST:
        raise Conflict(
            f"a route must not end in /{segments[-1]}: that is where an agent's own {segments[-1]} is served",
            about="route",
        )
    return path


def prefix_of(path: str) -> str:
    """What stands before a sub-path of a route: the route, nothing for the root."""
    return "" if path == "/" else path


def slug(*texts: str) -> str:
    """An agent's name out of whatever there is; "" if there is nothing."""
    words = re.sub(r"[^a-z0-9_]+", "-", "-".join(text for text in texts if text).lower())
    return words.strip("-_")[:MAX_NAME].strip("-_")


def check_agent_name(name: str) -> str:
    """The name itself, or `Malformed` with a name that would do."""
    if isinstance(name, str) and AGENT_NAME.match(name):
        return name
    proposal = slug(str(name))
    hint = f": how about {proposal!r}?" if proposal else ""
    raise Malformed(f"an agent's name has lower-case letters, digits, '-' and '_', at most 63{hint}")


def sip_username(address: object) -> str:
    """The username in a SIP address, in the form in which names are compared; "" if there is none.

    Understands `user`, `user@host`, `sip:`, `sips:` and `tel:` in any case, `"Name" <sip:…>`, parameters, passwords
    and percent-encoding (RFC 3261, 19.1 and 25.1); a telephone number is read without visual separators (RFC 3966).
    Never raises: what callers send is not ours to choose.
    """
    if not isinstance(address, str) or len(address) > MAX_ADDRESS:
        return ""
    scheme = SCHEME.match(address) if ":" in address else None
    if not scheme and "<" in address and (found := NAME_ADDR.match(address)):
        address = found[1]
        scheme = SCHEME.match(address)
    rest = (address[scheme.end() :] if scheme else address).strip()
    user, at, host = rest.partition("@")
    if scheme and not at:
        user = user.partition("?")[0]  # the headers of an address without a user
    user, _, parameters = user.partition(";")
    user = user.partition(":")[0]
    if "%" in user:
        user = unquote(user, errors="replace")
    user = fold(user)
    if scheme and scheme[1].lower() == "tel":
        return user.translate(SEPARATORS)
    if user[:1] in NUMBER_STARTS and not (user[1:].isdecimal() and user[0] != "("):
        marked = PHONE.search(f";{parameters}" if not at else host) is not None
        return number_of(user, MARKED_NUMBER if marked else NUMBER)
    return user


def number_of(user: str, form: re.Pattern[str]) -> str:
    """A username without visual separators if it is a telephone number, else itself."""
    number = user.translate(SEPARATORS)
    return number if form.match(number) and not IPV4.match(user) else user


def other_forms(username: str) -> tuple[str, ...]:
    """What the same telephone number may be called as well, with its + or without, the nearest first; else nothing.

    Whether it is the same nobody can know: a number without + is one of whatever network it was dialled in.
    """
    digits = username.removeprefix("+")
    if not NUMBER.match(username) and not (digits.isascii() and digits.isdecimal()):
        return ()
    if digits != username:
        national = (digits[1:],) if len(digits) == NORTH_AMERICAN + 1 and digits[0] == "1" else ()
        return (digits, f"00{digits}", *national)
    forms = (f"+{digits[2:]}", f"+{digits}") if digits.startswith("00") else (f"+{digits}",)
    return (*forms, f"+1{digits}") if len(digits) == NORTH_AMERICAN else forms


def fold(username: str) -> str:
    """A username for comparing: composed (NFC), lower case, no space around it."""
    if username.isascii():
        return username.lower().strip()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", username).casefold()).strip()


def normalise_sip_username(text: str) -> str:
    """A SIP username as it is registered; any form of address is accepted. Raises `Malformed`."""
    username = sip_username(text)
    good = username and len(username) <= MAX_USERNAME and not NOT_IN_USERNAME.search(username)
    if not good or not is_storable(text):  # what was typed is kept as well
        words = f"{str(text)[:MAX_USERNAME]!r} is not a SIP name: use the part before the @, such as help-desk"
        raise Malformed(words, about="sip")
    return username


def automatic_usernames(agent: str, route: str) -> list[str]:
    """SIP names that an agent gets by itself: its name, the name as the SDK strips it, the route's last segment."""
    stripped = re.sub(r"[^a-z0-9_]", "", agent.lower())
    last = route.rpartition("/")[2]
    return list(dict.fromkeys(sip_username(name) for name in (agent, stripped, last) if sip_username(name)))
