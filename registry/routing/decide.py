"""Who takes this request, and why: one pure function for the dispatcher, the tester and the dry run."""

from typing import NamedTuple

from agents.tokens import FOR_DEFAULTS, FOR_MCP, FOR_POST_PROMPT, MCP_CALL, for_function
from agents.wire import Version
from registry.routing.addresses import other_forms, sip_username
from registry.routing.facts import IN_CALL, Facts
from registry.routing.table import AgentEntry, RouteEntry, RoutingTable, Step

NUMBER_BEGINS = frozenset("+0123456789")
CENTRAL_SIP = "/sip"
RETIRED = Step("version", "the token names a version that is gone; the live one answers", ok=False)


class Decision(NamedTuple):
    """The answer to "who takes this request and why"."""

    outcome: str  # agent, paused, redirect, not_found or broken
    steps: tuple[Step, ...]
    route: RouteEntry | None = None
    sub_path: str = ""
    version: Version | None = None
    claim: bytes | None = None  # the purpose that the token proved
    sip_user: str = ""
    fallback: bool = False  # the dialled name is nobody's; this agent takes it all the same

    @property
    def agent(self) -> AgentEntry | None:
        """The agent that answers, if one does."""
        return self.route.agent if self.route else None


def decide(table: RoutingTable, facts: Facts, now: float, found: tuple[RouteEntry, str] | None = None) -> Decision:
    """Decide. `now` (seconds since 1970) is compared with tokens' expiry and the ends of pauses.

    `found`: what `table.find` said for this path, if it has been asked already.
    """
    if facts.path == CENTRAL_SIP:
        return decide_central(table, facts, now)
    found = found or table.find(facts.path)
    if found is None:
        path = facts.path[:200]
        return Decision("not_found", (Step("route", f"nothing is registered at {path}", ok=False, path=path),))
    route, sub_path = found
    if sub_path == "sip":
        return decide_sip(table, facts, route, now)
    if sub_path == "mcp":
        return decide_mcp(facts, route, now)
    if facts.method == "POST" and sub_path in IN_CALL:
        return decide_call(facts, route, sub_path, now)
    return answered_by(route, sub_path, (route.step,), now)


def decide_central(table: RoutingTable, facts: Facts, now: float) -> Decision:
    """`POST /sip`: the dialled name alone decides."""
    username = sip_username(facts.dialled)
    route, step = lookup(table, username)
    if route is not None:
        return answered_by(route, "", (step, route.step), now, username)
    if table.default is not None:
        step_2 = Step("default", f"{table.default.path} is the default route", path=table.default.path)
        return answered_by(table.default, "", (step, step_2, table.default.step), now, username, fallback=True)
    none = Step("default", "there is no default route", ok=False)
    return Decision("not_found", (step, none), sip_user=username)


def decide_sip(table: RoutingTable, facts: Facts, asked: RouteEntry, now: float) -> Decision:
    """`POST <agent>/sip`: a redirect to whoever has the name, else the agent that was asked (docs/contract.md, 1.2)."""
    if facts.method != "POST" or facts.dialled is None:
        return answered_by(asked, "sip", (asked.step, Step("sip", "no name was dialled")), now)
    username = sip_username(facts.dialled)
    route, step = lookup(table, username)
    if route is not None:
        return Decision("redirect", (asked.step, step), route, "sip", sip_user=username)
    back = Step("fallback", f"{asked.agent.name} was asked and takes it")
    return answered_by(asked, "sip", (asked.step, step, back), now, username, fallback=True)


def lookup(table: RoutingTable, username: str) -> tuple[RouteEntry | None, Step]:
    """Who has a SIP name."""
    if not username:
        return None, Step("sip", "no SIP name in what was dialled", ok=False)
    route = table.sip.get(username)
    if route is None:
        said = f"nobody has the SIP name {username[:128]}"
        if username[:1] in NUMBER_BEGINS and (near := other_form(table, username)):
            said += f"; {near}, which leads to {table.sip[near].path}, may be the same number"
        return None, Step("sip", said, ok=False, name=username)
    return route, Step("sip", f"{username} leads to {route.path}", path=route.path, name=username)


def other_form(table: RoutingTable, username: str) -> str:
    """The SIP name of the same telephone number with its + or without; "" if nobody has that either."""
    return next((form for form in other_forms(username) if form in table.sip), "")


def answered_by(
    route: RouteEntry, sub_path: str, steps: tuple[Step, ...], now: float, sip_user: str = "", *, fallback: bool = False
) -> Decision:
    """A document or another request that begins nothing: the live version answers, or the pause message."""
    agent = route.agent
    if agent.paused is not None and sub_path not in ("check_for_input", "debug_events"):
        if now < agent.paused_until:
            steps += (Step("state", f"{agent.name} is paused"),)
            return Decision("paused", steps, route, sub_path, agent.live, None, sip_user, fallback)
        steps += (agent.pause_over,)
    outcome = "agent" if agent.live is not None else "broken"
    return Decision(outcome, (*steps, agent.live_step), route, sub_path, agent.live, None, sip_user, fallback)


def decide_call(facts: Facts, route: RouteEntry, sub_path: str, now: float) -> Decision:
    """A request of a running call: the version that its token names goes on answering, paused or not."""
    agent = route.agent
    claim, number = proven(agent, facts, sub_path, now)
    if number is None and facts.mark.isdecimal():
        marked = int(facts.mark)  # it opens nothing: what it leads to checks its own tokens
        named = agent.versions.get(marked)
        if agent.by_mark or (named is not None and named.by_mark):
            number = marked
    version = agent.live
    step = agent.live_step
    if number is not None and (version is None or number != version.number):
        version = agent.versions.get(number)
        step = Step("version", f"the call is on version {number}")
        if version is None:
            version, claim, step = agent.live, None, RETIRED
    outcome = "agent" if version is not None else "broken"
    return Decision(outcome, (route.step, step), route, sub_path, version, claim)


def decide_mcp(facts: Facts, route: RouteEntry, now: float) -> Decision:
    """A client of the Model Context Protocol: the live version answers, if it offers that."""
    agent = route.agent
    if facts.method != "POST" or agent.live is None or not agent.live.mcp:
        what = "MCP takes POST only" if agent.live and agent.live.mcp else "this agent offers no MCP"
        return Decision("not_found", (route.step, Step("mcp", what, ok=False)), route, "mcp")
    opened = bool(facts.token) and agent.key.version_of(facts.token, FOR_MCP, (MCP_CALL,), now) is not None
    return answered_by(route, "mcp", (route.step,), now)._replace(claim=FOR_MCP if opened else None)


def proven(agent: AgentEntry, facts: Facts, sub_path: str, now: float) -> tuple[bytes | None, int | None]:
    """The purpose that the token proves, and the version it names."""
    if not facts.token:
        return None, None
    purposes = [FOR_POST_PROMPT]
    if sub_path == "swaig":
        purposes = [for_function(facts.function), FOR_DEFAULTS] if isinstance(facts.function, str) else []
    for purpose in purposes:
        number = agent.key.version_of(facts.token, purpose, facts.call_ids, now)
        if number is not None:
            return purpose, number
    return None, None
