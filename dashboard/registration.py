"""What somebody has typed on the Register page, and all that is wrong with it at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from agents.kind import Kind
from agents.kinds import KINDS, kind_of
from agents.models import Agent
from agents.sources import Source
from dashboard.fields import line_of
from dashboard.sources.form import Typed
from dashboard.sources.forms import FORMS, nothing_yet, problems_of, typed_of, value_of
from registry.actions.agents import check_title
from registry.actions.credentials import check_credentials
from registry.actions.definitions import read_definition, warnings_of
from registry.actions.inspection import parsed
from registry.actions.lookups import get_agent
from registry.base.errors import Malformed, RegistryError, sentence
from registry.base.yaml_in import MAX_FILE_BYTES, FleetEntry, parse_either, read_fleet
from registry.installation import EXAMPLE_FLEET
from registry.reports.free_names import Vacancy, vacancies_of_sip, vacancy_of_name, vacancy_of_route
from registry.routing.addresses import slug

BUILT_HERE = ("empty", "example", "copy", "import")  # sources; the others are kinds that have a form
PROMPT = "You answer the phone. Find out what the caller needs, and help as well as you can."
LANGUAGES = [{"name": "English", "code": "en-US", "voice": "rime.spore"}]
MAX_PROBLEMS = 50  # of a definition that are shown


class SeveralAgents(Malformed):
    """A file with a fleet in it."""


@dataclass
class Entered:
    """The fields of the form as they were typed."""

    source: str = "empty"
    prompt: str = PROMPT
    example: str = ""
    copy: str = ""
    text: str = ""
    name: str = ""
    title: str = ""
    route: str = ""
    sip: str = ""  # a name a line
    auto_sip: bool = True
    credentials: str = ""  # fleet, made or own
    user: str = ""
    password: str = ""  # never shown again
    typed: Typed = field(default_factory=Typed)  # of a Python class or a remote server

    @classmethod
    def of(
        cls, given: Mapping[str, str], upload: "UploadedFile[Any] | None" = None, *, posted: bool = True
    ) -> "Entered":
        """From a form, or from the address of the page, which may fill some of it in."""
        found = cls()
        found.source = (
            given.get("source", "")
            if given.get("source") in (*BUILT_HERE, *FORMS)
            else "copy"
            if "copy" in given
            else "empty"
        )
        for word in ("example", "copy", "name", "title", "route", "user", "password"):
            setattr(found, word, line_of(given, word))
        for word in ("prompt", "text", "sip"):
            setattr(found, word, given.get(word, getattr(found, word)))
        if upload is not None:
            found.text = text_of(upload)
        found.typed = typed_of(given)
        found.auto_sip = "auto_sip" in given if posted else True
        wanted = given.get("credentials", "")
        usual = usual_credentials()
        found.credentials = wanted if wanted in ("made", "own") or wanted == usual else usual
        return found

    @property
    def kind(self) -> Kind[Any] | None:
        """The kind whose form was filled in; None for what is built here."""
        return KINDS[self.source] if self.source in FORMS else None

    @property
    def path(self) -> str:
        """The route as typed, else the one that the name suggests."""
        return self.route or (f"/{slug(self.name)}" if slug(self.name) else "")

    @property
    def names(self) -> list[str]:
        """The SIP names that were typed, one a line."""
        return [line.strip() for line in self.sip.splitlines() if line.strip()]


@dataclass
class Checked:
    """What is known of it. `problems`: by field, what keeps it from being registered."""

    entered: Entered
    name: Vacancy
    route: Vacancy | None
    sip: list[Vacancy]
    definition: Source | None = None
    definition_problems: dict[str, str] = field(default_factory=dict)
    source_problems: dict[str, str] = field(default_factory=dict)  # by field of a Python class or a remote server
    several: bool = False  # a whole fleet was pasted
    warnings: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def usernames(self) -> list[str]:
        """The SIP names that it will have, as they are compared."""
        return [each.normalised for each in self.sip if not each.problem and not each.owner]

    @property
    def skipped(self) -> list[Vacancy]:
        """Names that it would have by itself, and others have."""
        return [each for each in self.sip if each.automatic and each.owner]


def check(entered: Entered, *, submitted: bool) -> Checked:
    """Look at everything. Until it is submitted, what has not been typed yet is no problem."""
    name = vacancy_of_name(entered.name)
    route = vacancy_of_route(entered.path, entered.name) if entered.path else None
    at = route.normalised if route else ""
    sip = vacancies_of_sip(entered.names, "" if name.problem else entered.name, at, automatic=entered.auto_sip)
    checked = Checked(entered, name, route, sip)
    if name.problem and (submitted or entered.name):
        checked.problems["name"] = name.problem
    if route is None and submitted:
        checked.problems["route"] = "An agent needs a route."
    elif route is not None and route.problem:
        checked.problems["route"] = route.problem
    if any(each.problem for each in sip):
        checked.problems["sip"] = "Not all of these names can be had."
    try:
        check_title(entered.title)
    except RegistryError as error:
        checked.problems["title"] = sentence(error)
    if submitted and entered.credentials == "own":
        try:
            check_credentials((entered.user, entered.password))
        except RegistryError as error:
            checked.problems["credentials"] = sentence(error)
    check_definition(checked, submitted=submitted)
    return checked


def check_definition(checked: Checked, *, submitted: bool) -> None:
    """Read the definition, wherever it comes from."""
    entered = checked.entered
    if not submitted and is_empty(entered):
        return
    if entered.kind:
        check_source(checked, entered.kind, submitted=submitted)
        return
    try:
        checked.definition = read(definition_of(entered))
        checked.warnings = warnings_of(checked.definition, entered.name)
    except SeveralAgents as error:
        checked.several = True
        checked.problems["source"] = sentence(error)
    except RegistryError as error:
        problems = list(error.problems.items())[:MAX_PROBLEMS]
        checked.definition_problems = dict(problems)
        few = f"{len(error.problems)} problem{'s' if len(error.problems) != 1 else ''} in the definition."
        checked.problems["source"] = few if problems else sentence(error)


def read(value: Any) -> Source:
    """What is built here: a definition, or another kind that we answer from ourselves."""
    return parsed(value) if kind_of(value).here else read_definition(value)


def check_source(checked: Checked, kind: Kind[Any], *, submitted: bool) -> None:
    """Read a Python class or a remote server as typed. Nothing is run and nobody is asked.

    Passwords are sent only with what is submitted, so that a user without one says nothing before.
    """
    typed = checked.entered.typed
    try:
        if submitted:
            typed.upstream()
        checked.definition = parsed(value_of(typed, kind))
    except RegistryError as error:
        note_problems(checked, kind, error)


def note_problems(checked: Checked, kind: Kind[Any], error: RegistryError) -> None:
    """What is wrong with the source, beside its fields."""
    checked.definition = None
    checked.source_problems = problems_of(error, kind)
    checked.problems["source"] = "The source cannot be used: see its fields."


def is_empty(entered: Entered) -> bool:
    """Whether the source has not been filled in."""
    if entered.kind:
        return nothing_yet(entered.typed)
    return not {"empty": entered.prompt, "example": entered.example, "copy": entered.copy, "import": entered.text}[
        entered.source
    ].strip()


def definition_of(entered: Entered) -> Any:
    """The definition, not checked yet; `RegistryError` if there is none."""
    if entered.source == "empty":
        if not entered.prompt.strip():
            raise Malformed("say what the agent is told")
        return {"prompt": {"text": entered.prompt.strip()}, "languages": LANGUAGES}
    if entered.source == "example":
        found = {entry.name: entry for entry in examples()}.get(entered.example)
        if found is None:
            raise Malformed("choose an example")
        return found.definition
    if entered.source == "copy":
        if not entered.copy:
            raise Malformed("name the agent that is to be copied")
        agent: Agent = get_agent(entered.copy, changing=False)
        if agent.live is None:
            raise Malformed(f"{agent.name} has no live version to copy")
        return agent.live.definition
    return imported(entered.text)


def imported(text: str) -> Any:
    """What was pasted: a definition, a SWML document, or a file with one agent in it."""
    if not text.strip():
        raise Malformed("paste a definition, or choose a file")
    if len(text.encode(errors="replace")) > MAX_FILE_BYTES:
        raise Malformed(f"this has more than {MAX_FILE_BYTES:,} bytes")
    value = parse_either(text, "this")
    fleet = fleet_in(value)
    if fleet is None:
        return value
    if len(fleet) != 1:
        raise SeveralAgents(f"there are {len(fleet)} agents in this: use Settings → Import")
    return next(iter(fleet.values()))["definition"]


def fleet_in(value: Any) -> dict[str, Any] | None:
    """The agents of a file with several, by name; None if it is no such file."""
    if not isinstance(value, dict) or "prompt" in value or "sections" in value:
        return None
    agents = value.get("agents") if "switchboard" in value else value
    if isinstance(agents, dict) and all(isinstance(each, dict) and "definition" in each for each in agents.values()):
        return agents
    return None


def usual_credentials() -> str:
    """Which credentials an agent gets if nobody chooses."""
    return "fleet" if settings.SWML_BASIC_AUTH_PASSWORD else "made"


@lru_cache(maxsize=1)
def examples() -> list[FleetEntry]:
    """The agents that one can begin with."""
    return read_fleet(EXAMPLE_FLEET)


def text_of(upload: "UploadedFile[Any]") -> str:
    """The text of a file; too large or no UTF-8 is said when it is read."""
    text: str = upload.read(MAX_FILE_BYTES + 1).decode(errors="replace")
    return text
