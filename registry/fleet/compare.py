"""Compares what a document wants with what is registered: the plan, and for each agent what is to be written."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from agents.kinds import kind_of
from registry.actions.definitions import transfer_warnings
from registry.actions.etags import tag_of
from registry.base.errors import Malformed
from registry.fleet.checks import Checked, checked, is_live, says_the_same
from registry.fleet.document import Document, FleetAgent, FleetRoute
from registry.fleet.export import exported_route
from registry.fleet.names import Reach, conflicts_of, with_automatic_names
from registry.fleet.plan import ABSENT, ADD, CHANGE, ORDER, REMOVE, Difference, Plan, Step
from registry.fleet.present import PresentAgent, PresentRoute, state_tag
from registry.fleet.references import OWN, Secrets, decide_secrets
from registry.routing.addresses import normalise_sip_username

MADE = f"{OWN}, newly made"
FIELDS = ("title", "tags", "state", "pause_message", "paused_until")


@dataclass(frozen=True)
class Work:
    """An agent that is to be written."""

    agent: FleetAgent
    present: PresentAgent | None
    step: Step
    secrets: Secrets
    definition: dict[str, Any] | None  # None = the live one says the same


@dataclass(frozen=True)
class Comparison:
    """A plan, with all that is needed to carry it out."""

    plan: Plan
    work: tuple[Work, ...]
    removed: tuple[PresentAgent, ...]


def compare(
    document: Document, present: Mapping[str, PresentAgent], live: Mapping[str, str], *, remove: bool
) -> Comparison:
    """What the document would change. `live`: the kept definitions of its agents. Reads no database."""
    others = [agent for name, agent in present.items() if agent.registered and name not in document.agents]
    staying = Reach() if remove else Reach.of(others)
    agents, warnings = with_automatic_names(document, present, staying)
    known = set(agents) | {agent.name for agent in others if not remove}
    problems: dict[str, str] = {}
    forbidden: dict[str, str] = {}
    work, tags, refused = [], [], 0
    for name, agent in sorted(agents.items()):
        before = present.get(name)
        found = None if is_live(agent, live.get(name)) else checked(document, agent)
        secrets = decide_secrets(agent, before, found.secrets if found else {})
        problems |= {f"agents.{name}.{column}": problem for column, problem in secrets.problems.items()}
        warnings += secrets.warnings
        tags.append([agent.as_plain() | {"definition": None}, secrets.columns])
        definition = None
        if found:
            kept_back = forbidden if found.forbidden else problems
            kept_back |= {f"agents.{name}.{path}": text for path, text in found.problems.items()}
            if found.problems:
                refused += 1
                continue
            definition = None if says_the_same(found, live.get(name)) else found.stored
            warnings += warnings_of(agent, found, known) if definition is not None else []
        step = step_of(agent, before, secrets, live.get(name), definition)
        if step:
            work.append(Work(agent, before, step, secrets, definition))
    removed = tuple(others) if remove else ()
    steps = [one.step for one in work] + [removal_of(agent) for agent in removed]
    plan = Plan(
        tuple(sorted(steps, key=lambda step: step.agent)),
        unchanged=len(agents) - len(work) - refused,
        kept=len(others) - len(removed),
        removes=remove,
        digest=tag_of(["plan", state_tag(present), tags, digest_of(document), remove]),
        warnings=tuple(warnings),
        problems=problems,
        forbidden=forbidden,
        conflicts=conflicts_of(agents.values(), staying),
    )
    return Comparison(plan, tuple(work), removed)


def digest_of(document: Document) -> str:
    """A digest of the definitions, whose order of keys counts."""
    digest = hashlib.sha256()
    for name in sorted(document.agents):
        digest.update(orjson.dumps([name, document.agents[name].definition]))
    return digest.hexdigest()


def warnings_of(agent: FleetAgent, found: Checked, known: set[str]) -> list[str]:
    """What may be right later, or elsewhere."""
    warnings = [*transfer_warnings(found.targets, known), *found.warnings, *unbound(agent, found.claims)]
    return [f"{agent.name}: {warning}" for warning in warnings]


def unbound(agent: FleetAgent, claims: Iterable[str]) -> Iterator[str]:
    """SIP names that an agent's code claims and the document does not give it: what the document says is bound."""
    bound = {name for route in agent.routes for name in (*route.sip, *route.auto_sip)}
    for typed in claims:
        try:
            missing = normalise_sip_username(typed) not in bound
        except Malformed:
            missing = False
        if missing:
            yield f"its code claims the SIP name {typed}, which the document does not give it"


def step_of(
    agent: FleetAgent,
    present: PresentAgent | None,
    secrets: Secrets,
    live: str | None,
    definition: dict[str, Any] | None,
) -> Step | None:
    """What becomes of an agent; None = it is so already."""
    if present is None or not present.registered:
        names = [name for route in agent.routes for name in (*route.sip, *route.auto_sip)]
        routes = tuple(route.path for route in agent.routes)
        gains = tuple(added(agent, secrets))
        return Step(agent.name, ADD, gains, routes, tuple(names), restored=present is not None)
    differences = [
        Difference(name, plain(getattr(present, name)), plain(getattr(agent, name)))
        for name in FIELDS
        if getattr(present, name) != getattr(agent, name)
    ]
    differences += route_differences(present.routes, agent.routes)
    differences += [Difference(column, *words) for column, words in secrets.words.items()]
    if definition is not None:
        differences += source_differences(orjson.loads(live) if live else None, definition)
    return Step(agent.name, CHANGE, tuple(differences)) if differences else None


def added(agent: FleetAgent, secrets: Secrets) -> Iterator[Difference]:
    """What a new agent has, but for its definition: that is in the document."""
    for name in FIELDS:
        if getattr(agent, name) and name != "state":
            yield Difference(name, after=plain(getattr(agent, name)))
    if agent.pause_message:
        yield Difference("state", after=agent.state)
    for route in agent.routes:
        yield Difference(f"routes.{route.path}", after=route.as_plain())
    if secrets.make_credentials:
        yield Difference("credentials", after=MADE)
    for column, (_, after) in secrets.words.items():
        yield Difference(column, after=after)


def removal_of(present: PresentAgent) -> Step:
    """The step of an agent that goes to the trash."""
    names = tuple(name.username for route in present.routes for name in route.names)
    return Step(present.name, REMOVE, (), tuple(route.path for route in present.routes), names)


def route_differences(before: tuple[PresentRoute, ...], after: tuple[FleetRoute, ...]) -> Iterator[Difference]:
    """What becomes of an agent's routes."""
    had = {route.path: exported_route(route) for route in before}
    for route in after:
        former = had.get(route.path)
        if former is None:
            yield Difference(f"routes.{route.path}", after=route.as_plain())
            continue
        for word in ("default", "enabled"):
            if getattr(former, word) != getattr(route, word):
                yield Difference(f"routes.{route.path}.{word}", getattr(former, word), getattr(route, word))
        for word in ("sip", "auto_sip"):
            one, other = list(getattr(former, word)), list(getattr(route, word))
            if set(one) != set(other):
                yield Difference(f"routes.{route.path}.{word}", one, other)
    wanted = [route.path for route in after]
    for path, former in had.items():
        if path not in wanted:
            yield Difference(f"routes.{path}", before=former.as_plain())
    kept = [path for path in had if path in wanted]
    if kept != wanted[: len(kept)]:
        yield Difference(f"routes{ORDER}", list(had), wanted)


def source_differences(before: Any, after: Any) -> Iterator[Difference]:
    """What becomes of what an agent is; what was found of it is nobody's change."""
    had, gets = by_kind(before), by_kind(after)
    for kind in [*had, *(kind for kind in gets if kind not in had)]:
        yield from leaf_differences(kind, had.get(kind, ABSENT), gets.get(kind, ABSENT))


def by_kind(definition: Any) -> dict[str, Any]:
    """A version's JSON as a document has it: under `definition`, `python` or `remote`."""
    if definition is None:
        return {}
    kind = kind_of(definition)
    return kind.keyed(kind.as_written(definition))


def leaf_differences(path: str, before: Any, after: Any) -> Iterator[Difference]:
    """What is another one inside two JSON values, by leaf."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            yield from leaf_differences(f"{path}.{key}", before.get(key, ABSENT), after.get(key, ABSENT))
        common = [[key for key in one if key in other] for one, other in ((before, after), (after, before))]
        if common[0] != common[1]:
            yield Difference(path + ORDER, list(before), list(after))
    elif isinstance(before, list) and isinstance(after, list):
        for number in range(max(len(before), len(after))):
            one = before[number] if number < len(before) else ABSENT
            other = after[number] if number < len(after) else ABSENT
            yield from leaf_differences(f"{path}.{number}", one, other)
    elif type(before) is not type(after) or before != after:
        yield Difference(path, before, after)


def plain(value: Any) -> Any:
    """As JSON has it."""
    return list(value) if isinstance(value, tuple) else value
