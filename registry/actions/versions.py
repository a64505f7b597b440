"""The actions about definitions: versions become live, drafts wait, old versions come back."""

import json
from typing import Any

from django.utils import timezone

from agents.kinds import kind_of
from agents.models import Agent, AgentVersion
from agents.sources import Source
from registry.actions.definitions import warnings_of
from registry.actions.etags import Expected, agent_tag, check_expected, definition_tag, draft_tag
from registry.actions.inspection import look_again, look_at, refuse_other_server
from registry.actions.lookups import get_agent
from registry.actions.transaction import Actor, Change, changing
from registry.base.errors import NotFound, Outdated
from registry.base.text import check_storable


def save_draft(
    name: str, definition: Any, *, by: Actor, note: str = "", expected: Expected = None, base: Expected = None
) -> Change:
    """Keep a definition as the agent's draft, in place of the one before: a version that callers do not hear yet.

    `base`: `definition_tag` of what was edited; `Outdated` if another version is live now, or the draft.
    """
    checked = look_at(definition, by=by, name=name).source
    with changing(by, name) as change:
        agent = get_agent(name)
        check_expected(expected, draft_tag(agent))
        check_expected(base, definition_tag(agent))
        change.warnings = warnings_of(checked, name)
        before = agent.draft
        if before is not None and says_the_same(before, checked):
            change.changed, change.version = False, before.number
        else:
            agent.draft = add_version(agent, checked, by, note)
            agent.save(update_fields=["draft"])
            change.version = agent.draft.number
        change.tag = draft_tag(agent) or ""
    return change


def set_aside(name: str, definition: Any, *, by: Actor, note: str = "") -> Change:
    """Keep a definition among an agent's versions, neither live nor its draft, so that it can be taken up later."""
    checked = look_at(definition, by=by, name=name).source
    with changing(by, name) as change:
        agent = get_agent(name)
        change.version = add_version(agent, checked, by, note).number
    return change


def discard_draft(name: str, *, by: Actor, expected: Expected = None) -> Change:
    """Take the draft away; its version stays among the others."""
    with changing(by, name) as change:
        agent = get_agent(name)
        draft = draft_of(agent)
        check_expected(expected, draft_tag(agent))
        agent.draft = None
        agent.save(update_fields=["draft"])
        change.version = draft.number
    return change


def publish_draft(
    name: str, *, by: Actor, expected: Expected = None, base: Expected = None, wait: bool = False
) -> Change:
    """Make the draft the live version; running calls keep theirs. It is looked at again: the world may have changed."""
    looked_at = draft_of(get_agent(name, changing=False))
    seen = look_again(looked_at.definition, by=by, name=name)
    with changing(by, name, wait=wait) as change:
        agent = get_agent(name)
        draft = draft_of(agent)
        check_expected(expected, draft_tag(agent))
        check_expected(base, definition_tag(agent))
        if draft.pk != looked_at.pk:
            raise Outdated("somebody has saved another draft: look at it, then publish it")
        checked = seen.source
        refuse_other_server(agent, checked)
        change.warnings = [*seen.warnings, *warnings_of(checked, name)]
        agent.draft = None
        if agent.live is not None and says_the_same(agent.live, checked):
            agent.save(update_fields=["draft"])
            change.changed, change.version = False, agent.live.number
        else:
            set_live(agent, draft)
            change.version, change.renewed = draft.number, ["version"]
    return change


def restore_version(
    name: str,
    number: int,
    *,
    by: Actor,
    note: str = "",
    expected: Expected = None,
    base: Expected = None,
    wait: bool = False,
) -> Change:
    """Make what an old version says live again, as a new version. It is looked at again: see `look_again`."""
    seen = look_again(get_version(get_agent(name, changing=False), number).definition, by=by, name=name)
    with changing(by, name, wait=wait) as change:
        agent = get_agent(name)
        check_expected(expected, agent_tag(agent))
        check_expected(base, definition_tag(agent))
        checked = seen.source
        refuse_other_server(agent, checked)
        change.warnings = [*seen.warnings, *warnings_of(checked, name)]
        before = agent.live_id
        change.version = make_live(agent, checked, by, note or f"restored from version {number}").number
        change.changed = agent.live_id != before
        change.renewed = ["version"] if change.changed else []
    return change


# --- what they have in common ----------------------------------------------------------------------------------------


def make_live(agent: Agent, definition: Source, by: Actor, note: str) -> AgentVersion:
    """Add a version and make it the live one; one that says the same as the live one is not added."""
    if agent.live is not None and says_the_same(agent.live, definition):
        return agent.live
    version = add_version(agent, definition, by, note)
    set_live(agent, version)
    return version


def add_version(agent: Agent, definition: Source, by: Actor, note: str) -> AgentVersion:
    """Add a version that is not live yet."""
    check_storable("note", note)
    newest = agent.versions.order_by("-number").values_list("number", flat=True).first() or 0
    return AgentVersion.objects.create(
        agent=agent, number=newest + 1, definition=definition.stored(), note=note[:500], author=by.name[:150]
    )


def set_live(agent: Agent, version: AgentVersion) -> None:
    """Make a version the live one, and save the agent."""
    before = agent.live
    if before is not None:
        before.retired = timezone.now()
        before.save(update_fields=["retired"])
    agent.live = version
    agent.kind = kind_of(version.definition).word
    agent.save(update_fields=["live", "draft", "kind"])


def says_the_same(version: AgentVersion, definition: Source) -> bool:
    """Whether a version has this definition."""
    return same_definition(version.definition, definition.stored())


def same_definition(one: Any, other: Any) -> bool:
    """Whether two stored definitions are one, also in their order: that is served too."""
    return json.dumps(one) == json.dumps(other)


def draft_of(agent: Agent) -> AgentVersion:
    """The agent's draft."""
    if agent.draft is None:
        raise NotFound(f"agent {agent.name} has no draft")
    return agent.draft


def get_version(agent: Agent, number: int) -> AgentVersion:
    """One of an agent's versions."""
    version = agent.versions.filter(number=number).first()
    if version is None:
        raise NotFound(f"agent {agent.name} has no version {number}")
    return version
