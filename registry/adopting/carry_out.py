"""Registers what is planned, one agent after the other: what fails is said, and the others go on."""

from registry.actions import agents, sip_names
from registry.actions.transaction import Actor, Change, wait_until_everywhere
from registry.adopting.entries import REGISTERED, UPDATE, UPDATED, Entry, Report, Wishes
from registry.base.errors import RegistryError
from registry.models import SipMapping
from registry.routing.addresses import normalise_sip_username


def carry_out(report: Report, wishes: Wishes, *, by: Actor, wait: bool) -> Report:
    """The same report, with what became of every entry."""
    note = wishes.note or f"adopted from {report.origin}"
    registered: set[str] = set()
    for entry in report.entries:
        if not entry.planned:
            continue
        try:
            update = entry.state == UPDATE
            change = publish(entry, wishes, by, note) if update else register(entry, wishes, by, note)
            entry.change, entry.state = change, UPDATED if update else REGISTERED
            registered.add(entry.route)
            map_names(entry, change, registered, by)
            entry.warnings += [warning for warning in change.warnings if warning not in entry.warnings]
        except RegistryError as error:
            if entry.change is None:
                entry.refuse(error)
            else:
                entry.warnings.append(f"not all of its SIP names could be mapped: {error}")
    if wait and report.revision is not None:
        report.everywhere = wait_until_everywhere(report.revision)
    return report


def register(entry: Entry, wishes: Wishes, by: Actor, note: str) -> Change:
    """Register an agent, with those of its SIP names that nobody has."""
    return agents.register(
        entry.agent,
        entry.route,
        entry.source,
        sip=[name for name, owner in owners(entry).items() if owner is None],
        auto_sip=entry.auto_sip,
        upstream=wishes.upstream,
        note=note,
        by=by,
    )


def publish(entry: Entry, wishes: Wishes, by: Actor, note: str) -> Change:
    """Give an agent that was adopted before a new version."""
    return agents.publish(entry.agent, entry.source, upstream=wishes.upstream, note=note, by=by)


def map_names(entry: Entry, change: Change, registered: set[str], by: Actor) -> None:
    """Map the names that somebody chose for it in the original and that do not lead to it yet.

    As in the original, a chosen name wins over one that another of these agents got by itself.
    """
    for name, owner in owners(entry).items():
        if owner is None:
            sip_names.register_sip_username(name, entry.route, by=by)
        elif owner.route.path == entry.route:
            continue
        elif owner.source == SipMapping.Source.AUTO and owner.route.path in registered:
            sip_names.move_sip_username(name, entry.route, away_from=owner.route.path, by=by)
        else:
            change.skipped[name] = owner.route.agent.name
            continue
        change.skipped.pop(name, None)
        change.sip.append(name)


def owners(entry: Entry) -> dict[str, SipMapping | None]:
    """Its chosen SIP names, each with who has it."""
    names = []
    for typed in entry.sip:
        try:
            names.append(normalise_sip_username(typed))
        except RegistryError as error:
            entry.warnings += [] if str(error) in entry.warnings else [str(error)]
    mappings = SipMapping.objects.select_related("route__agent").filter(username__in=names)
    held = {mapping.username: mapping for mapping in mappings}
    return {name: held.get(name) for name in names}
