"""What an agent that is to be registered may be called and where it may answer: who has it, and what is free nearby."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agents.models import Agent
from registry.base.errors import RegistryError, sentence
from registry.models import Route, SipMapping
from registry.routing.addresses import (
    MAX_USERNAME,
    automatic_usernames,
    check_agent_name,
    normalise_route,
    normalise_sip_username,
    slug,
)

MAX_NAMES = 200  # SIP names of one agent that are looked at


@dataclass(frozen=True)
class Vacancy:
    """A name or a route. `problem`: why it cannot be had, "" if it can; `owner`: the agent that has it."""

    typed: str
    normalised: str = ""
    problem: str = ""
    owner: str = ""
    at: str = ""  # the owner's route
    suggestion: str = ""  # one that is free
    note: str = ""  # what there is to know although it is free
    automatic: bool = False


def vacancy_of_name(name: str) -> Vacancy:
    """Of an agent's name. One in the trash may be registered again."""
    if not name:
        return Vacancy(name, problem="An agent needs a name.")
    try:
        check_agent_name(name)
    except RegistryError as error:
        proposal = slug(name)
        return Vacancy(name, problem=sentence(error), suggestion=free_name(proposal) if proposal else "")
    state = Agent.objects.filter(name=name).values_list("state", flat=True).first()
    if state == Agent.State.TRASHED:
        return Vacancy(name, name, note="It is in the trash: registered again, it keeps its versions.")
    if state:
        routes = list(Route.objects.filter(agent__name=name).values_list("path", flat=True)[:1])
        at = routes[0] if routes else ""
        return Vacancy(name, name, "Taken by an agent that is registered already.", name, at, free_name(name))
    return Vacancy(name, name)


def vacancy_of_route(typed: str, name: str) -> Vacancy:
    """Of a route. `name`: the agent it is for, from which a suggestion is made."""
    try:
        path = normalise_route(typed)
    except RegistryError as error:
        instead = "/" + "/".join(part for part in (slug(each) for each in typed.split("/")) if part)
        try:
            return Vacancy(typed, problem=sentence(error), suggestion=free_route(normalise_route(instead)))
        except RegistryError:
            return Vacancy(typed, problem=sentence(error), suggestion=free_route(f"/{name}") if slug(name) else "")
    owner = Route.objects.filter(path=path).values_list("agent__name", flat=True).first()
    if owner:
        return Vacancy(typed, path, "Taken.", owner, path, free_route(path))
    return Vacancy(typed, path, note=inside(path))


def vacancies_of_sip(typed: Sequence[str], name: str, path: str, *, automatic: bool) -> list[Vacancy]:
    """Of SIP names: those that somebody typed, then those that the agent gets by itself. A few queries for all."""
    wanted: dict[str, str] = {}
    malformed: dict[str, str] = {}  # as typed: why
    for text in typed[:MAX_NAMES]:
        try:
            wanted.setdefault(normalise_sip_username(text), text)
        except RegistryError as error:
            malformed[text] = sentence(error)
    own = [each for each in automatic_usernames(name, path) if each not in wanted] if automatic and name else []
    owners = {
        username: (agent, at)
        for username, agent, at in SipMapping.objects.filter(username__in=[*wanted, *own]).values_list(
            "username", "route__agent__name", "route__path"
        )
    }
    found = [Vacancy(text, problem=why, suggestion=free_sip(proposal_of(text))) for text, why in malformed.items()]
    for username, text in wanted.items():
        if username in owners:
            agent, at = owners[username]
            found.append(Vacancy(text, username, "Taken.", agent, at, free_sip(username)))
        else:
            found.append(Vacancy(text, username))
    order = {text: place for place, text in reversed(list(enumerate(typed)))}
    found.sort(key=lambda each: order[each.typed])
    for username in own:
        agent, at = owners.get(username, ("", ""))
        found.append(Vacancy(username, username, owner=agent, at=at, automatic=True))
    return found


# --- what is free -----------------------------------------------------------------------------------------------------


def first_free(wanted: str, taken: Iterable[str]) -> str:
    """The text itself, or with the lowest number behind it that nobody has."""
    known = set(taken)
    if wanted not in known:
        return wanted
    return next(f"{wanted}-{number}" for number in range(2, len(known) + 3) if f"{wanted}-{number}" not in known)


def free_name(wanted: str) -> str:
    """An agent's name that nobody has, not even in the trash."""
    wanted = wanted[:58]
    return first_free(wanted, Agent.objects.filter(name__startswith=wanted).values_list("name", flat=True))


def free_route(wanted: str) -> str:
    """A route that nobody has."""
    wanted = wanted[:190].rstrip("/") or "/main"
    return first_free(wanted, Route.objects.filter(path__startswith=wanted).values_list("path", flat=True))


def free_sip(wanted: str) -> str:
    """A SIP name that nobody has; "" without one to begin with."""
    wanted = wanted[: MAX_USERNAME - 5]
    taken = SipMapping.objects.filter(username__startswith=wanted).values_list("username", flat=True)
    return first_free(wanted, taken) if wanted else ""


def inside(path: str) -> str:
    """What there is to know of a route that begins with another agent's."""
    parts = path.split("/")
    outer = ["/".join(parts[:end]) for end in range(2, len(parts))]
    found = Route.objects.filter(path__in=outer).order_by("-path").values_list("path", "agent__name").first()
    return f"Inside {found[0]} of {found[1]}; both work." if found else ""


def proposal_of(text: str) -> str:
    """A SIP name like a text that is none."""
    return re.sub(r"[^\w.+-]+", "-", text.strip().casefold().removeprefix("sip:").partition("@")[0]).strip("-")
