"""Agents in trouble for pages: as the workers tell, and together with what their traffic says."""

from django.core.cache import cache

from registry.reports.agent_health import AgentTrouble, troubles
from registry.reports.traffic import Standing, troubled

KEPT_SECONDS = 3  # how old both may be: every open page asks for them
DOWN = "down"


def agents_in_trouble() -> dict[str, AgentTrouble]:
    """Python and remote agents that do not run as they should, by name."""
    found: dict[str, AgentTrouble] = cache.get_or_set("agents-in-trouble", troubles, KEPT_SECONDS) or {}
    return found


def present_troubles() -> dict[str, Standing]:
    """The agents that are Degraded or Failing, by name: one that is down fails, one that is shaky is degraded."""
    found: dict[str, Standing] = dict(cache.get_or_set("troubles", troubled, KEPT_SECONDS) or {})
    for name, trouble in agents_in_trouble().items():
        if trouble.state == DOWN:
            found[name] = Standing.FAILING
        else:
            found.setdefault(name, Standing.DEGRADED)
    return found
