"""Python agents as a kind: code of the SDK's, which is built once to see what it is."""

from collections.abc import Iterable, Iterator

from agents.elsewhere import ElsewhereKind
from agents.kind import Fact, Seen, Surroundings
from agents.python.body import PythonIn
from agents.python.inspection import inspect
from agents.python.launch import INSPECT_SECONDS
from agents.python.sdk_tokens import SdkKey
from agents.python.source import PythonSource
from agents.tokens import Key, TokenKey


class PythonKind(ElsewhereKind[PythonSource]):
    """A class, or what a script registers."""

    word = PythonSource.KIND
    label = "Python"
    icon = "braces"
    answerer = "Python"
    model = PythonSource
    body = PythonIn
    body_help = "instead of a definition; needs the level admin"
    shown_help = "class and arguments, or script and route"
    runs_code = True
    secrets_of_code = True
    how_to_offer_mcp = "its class has to call enable_mcp_server(); then reload it"
    patience = f"Still building the agent, which may take {INSPECT_SECONDS} seconds."
    waits = "Building the agent …"
    same = "its code is the same"
    anew = "loads it anew"
    renders = "its class renders the document"
    look = "It is built once, in a process of its own;"
    reload_word = "Reload"
    reload_help = (
        "Reload builds it from the files that are there now: if its code has changed, that becomes the next version. "
        "Reload anyway also if only data, the environment or a package has. Calls that run stay on the code they "
        "began with."
    )
    reload_anyway = True
    note_on_restore = (
        "Files do not come back with it. It is refused unless those on the server are the ones that this version was "
        "made of: to go back to other code, bring its files back and reload."
    )

    def inspect(self, source: PythonSource, around: Surroundings) -> Seen:
        """Build it, in a process of its own."""
        inspected = inspect(source, around.whereabouts())
        found = source.model_copy(update={"found": inspected.found, "code": inspected.code})
        warnings = [
            f"the argument {name} looks like a secret, and arguments are kept in the clear: let the class read a "
            "variable"
            for name in source.arguments
            if around.is_secret(name)
        ]
        claims = tuple(inspected.found.sip)
        return Seen(found, inspected.credentials, inspected.signing_key, [*inspected.warnings, *warnings], claims)

    def fault_at(self, source: PythonSource) -> str:
        """The class or the script."""
        return "python.class" if source.class_ else "python.script"

    def changed_since(self, before: PythonSource, now: PythonSource, agent: str) -> str:
        """A version's files do not come back with it."""
        if before.code == now.code:
            return ""
        return (
            f"that version was made of other code ({before.code}) than the files have now ({now.code}): bring them "
            f"back, then reload {agent}"
        )

    def digest(self, value: object) -> str:
        """Of the files that were loaded."""
        code = self.inner(value).get("code")
        return code if isinstance(code, str) else ""

    def first_facts(self, source: PythonSource) -> Iterator[Fact]:
        """That it can be built."""
        named = f" It calls itself {source.found.name}." if source.found.name else ""
        yield Fact("ok", f"{source} can be built, in a process of its own.{named}")

    def answered_by(self, source: PythonSource) -> str:
        """What answers its functions, in words."""
        return f"Run by {source} in the agent's own process"

    def key_for(self, key: Key, own: TokenKey, numbers: Iterable[int]) -> Key:
        """The SDK makes tokens of its own."""
        return SdkKey(own, numbers, key)


PYTHON = PythonKind()
