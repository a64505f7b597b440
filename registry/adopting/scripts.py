"""Adopting a script for the SDK's AgentServer, unchanged: each agent that it registers becomes a Python agent."""

from collections.abc import Sequence
from pathlib import Path

from agents.errors import UnusableSource
from agents.python.inspection import ScriptAgent, inspect_script
from agents.python.launch import script_below, spelt_out
from agents.python.source import PythonSource
from registry.actions.inspection import look_at, whereabouts
from registry.actions.transaction import Actor
from registry.adopting.carry_out import carry_out
from registry.adopting.entries import UPDATE, Entry, Report, Wishes, as_path, chosen
from registry.adopting.present import Present, origins_of
from registry.base.errors import Forbidden, Malformed, RegistryError
from registry.routing.addresses import slug

NOTES = [
    "The platform has to ask Switchboard from now on: at our address, and with each agent's credentials here.",
    "Each agent runs in a process of its own: a module's variables, which they share there, each has for itself.",
]
CALLBACKS = "Routing callbacks answer below the route of each agent that has them."


def adopt_script(file: str, wishes: Wishes, *, by: Actor, wait: bool = False) -> Report:
    """Register what a script registers with its AgentServer, or the one agent that it runs.

    Raises `RegistryError` if the script cannot be used; what is wrong with one of its agents is said in its entry.
    """
    if not by.may_run_code:
        raise Forbidden("a script runs code on the server: only an Admin may adopt one")
    script = below_a_folder(file, whereabouts().path)
    try:
        found = inspect_script(script, whereabouts())
    except UnusableSource as error:
        raise Malformed(f"{file} cannot be adopted: {error}") from None
    present = Present(PythonSource.KIND)
    entries = chosen([entry_of(agent, found.auto_sip, script) for agent in found.agents], wishes.only, file)
    by_route = {as_path(agent.route): agent for agent in found.agents}
    for entry in entries:
        place(entry, by_route[entry.original], present, wishes, by)
    notes = [*NOTES, *([CALLBACKS] if any(entry.found.callbacks for entry in entries) else [])]
    report = Report(file, entries, wishes.dry_run, list(found.not_served), notes)
    return report if wishes.dry_run else carry_out(report, wishes, by=by, wait=wait)


def entry_of(agent: ScriptAgent, auto_sip: bool, script: str) -> Entry:
    """An entry for an agent of a script."""
    inspected = agent.inspected
    return Entry(
        as_path(agent.route),
        source={"python": {"script": script, "route": agent.route}},
        found=inspected.found,
        sip=list(agent.sip),
        auto_sip=auto_sip,
        warnings=list(inspected.warnings),
    )


def place(entry: Entry, agent: ScriptAgent, present: Present, wishes: Wishes, by: Actor) -> None:
    """Decide what becomes of an entry."""
    present.place(entry, wishes.route_prefix)
    if not entry.planned:
        return
    origins = origins_of(PythonSource.model_validate(entry.source["python"]))
    owner = present.agent_from(origins)
    if owner:
        known(entry, agent, owner, present, wishes, by)
        return
    entry.auto_sip = entry.auto_sip and wishes.auto_sip
    own = agent.name or entry.original.strip("/") or "agent"
    route = entry.original.strip("/") or "root"
    names = [slug(wishes.name_prefix, own, more) or "agent" for more in ("", route.rpartition("/")[2], route)]
    present.claim(entry, origins, *names)


def known(entry: Entry, agent: ScriptAgent, owner: str, present: Present, wishes: Wishes, by: Actor) -> None:
    """An agent that is registered from this script already."""
    kept = present.sources[owner]
    assert isinstance(kept, PythonSource)
    there = present.there(entry, owner)
    if kept.code == agent.inspected.code or kept.code == code_of(kept, owner, by):
        entry.skip(there)
    elif wishes.update:
        entry.state, entry.source = UPDATE, kept.given()
    else:
        entry.skip(
            f"{there}, and its code has changed since: `reload {owner}` takes it up, or --update for all of them"
        )


def code_of(kept: PythonSource, name: str, by: Actor) -> str:
    """The digest of an agent's code now, built alone: with the others there may have been more modules."""
    try:
        seen = look_at(kept.given(), by=by, name=name).source
    except RegistryError:
        return ""
    return seen.code if isinstance(seen, PythonSource) else ""


def below_a_folder(file: str, folders: Sequence[str]) -> str:
    """A script's path as its agents keep it: below a folder of AGENT_PATH. `Malformed` says what to do."""
    found = script_below(file, folders)
    if found is not None:
        return first_of_its_name(*found, folders)
    given = spelt_out(file)
    if not given.is_file():
        raise Malformed(f"there is no file {given}")
    first = folders[0] if folders else ""
    link = Path(first, given.parent.name)
    raise Malformed(
        f"{given} lies outside of the folders of AGENT_PATH ({', '.join(folders) or 'there are none'}), the only ones "
        f"from which serving processes run code. Either put it there, or a link to its folder:\n"
        f"  ln -s {given.parent} {link}\n  python3 manage.py adopt {link / given.name}\n"
        f"or start `serve`, and this command, with its folder among them: AGENT_PATH={given.parent}"
    )


def first_of_its_name(script: str, folder: str, folders: Sequence[str]) -> str:
    """The same path, if it means this script: the first folder that has one of the name wins."""
    winner = next(one for one in folders if Path(one, script).is_file())
    if Path(winner, script).samefile(Path(folder, script)):
        return script
    raise Malformed(
        f"{winner} comes before {folder} in AGENT_PATH, and has another script {script}: rename one of them"
    )
