"""Acts on several agents at once: all of them or none, in one step that the audit shows as one moment."""

from collections.abc import Callable, Iterable

from registry.actions import agents as agent_actions
from registry.actions import pauses, trash
from registry.actions.lookups import get_agent
from registry.actions.transaction import Actor, Change, changing
from registry.base.errors import Malformed

MAX_AGENTS = 500  # in one step: the registry is held meanwhile, some milliseconds for each


def pause_many(names: Iterable[str], message: str = "", *, by: Actor, wait: bool = False) -> list[Change]:
    """New calls to these agents hear the message; running calls go on."""
    return each(names, lambda name: pauses.pause(name, message, by=by), by, wait)


def resume_many(names: Iterable[str], *, by: Actor, wait: bool = False) -> list[Change]:
    """These agents answer new calls again."""
    return each(names, lambda name: pauses.resume(name, by=by), by, wait)


def unregister_many(names: Iterable[str], *, by: Actor, wait: bool = False) -> list[Change]:
    """Put these agents into the trash."""
    return each(names, lambda name: trash.unregister_agent(name, by=by), by, wait)


def restore_many(names: Iterable[str], *, by: Actor, wait: bool = False) -> list[Change]:
    """Bring these agents back from the trash, at the routes that they had."""
    return each(names, lambda name: trash.restore_agent(name, by=by), by, wait)


def tag_many(
    names: Iterable[str], tags: Iterable[str], *, by: Actor, remove: bool = False, wait: bool = False
) -> list[Change]:
    """Give these agents tags besides those that they have; or `remove` them. `Change.former` has what they had."""
    wanted = agent_actions.check_tags(tags)
    if not wanted:
        raise Malformed("say which tag", problems={"tags": "say which tag"})

    def act(name: str) -> Change:
        present = get_agent(name).tags
        after = [tag for tag in present if tag not in wanted] if remove else [*present, *wanted]
        change = agent_actions.update_agent(name, tags=after, by=by)
        change.former = {"tags": present}
        return change

    return each(names, act, by, wait)


def each(names: Iterable[str], act: Callable[[str], Change], by: Actor, wait: bool) -> list[Change]:
    """Act on each agent, in the order of the names, in one transaction. The last change says how far it has come."""
    wanted = sorted(set(names))
    if not wanted:
        raise Malformed("name at least one agent")
    if len(wanted) > MAX_AGENTS:
        raise Malformed(f"at most {MAX_AGENTS} agents in one step, not {len(wanted)}")
    with changing(by, wait=wait) as whole:
        changes = [act(name) for name in wanted]
    changes[-1].everywhere = whole.everywhere
    return changes
