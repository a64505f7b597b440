"""A decision told to people: the verdict first, then each step with its why, and what would mend it."""

from dataclasses import dataclass, field
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from registry.actions.effects import unmatched
from registry.models import Route, SipMapping
from registry.reports.unmatched import nearest
from registry.routing.addresses import other_forms
from registry.routing.decide import Decision
from registry.routing.question import Question
from registry.routing.table import RoutingTable
from registry.routing.table import Step as RawStep


@dataclass(frozen=True)
class Step:
    """One step. `tone`: ok, bad, off or end (the one that answers)."""

    tone: str
    what: SafeString | str
    why: SafeString | str = ""


@dataclass
class Explanation:
    """A decision in words. `near`: a registered name like the one that nobody has, and its route."""

    tone: str
    verdict: SafeString
    steps: list[Step] = field(default_factory=list)
    sip_user: str = ""
    path: str = ""  # that was asked for; "" for a name
    unmatched: bool = False
    near: tuple[str, str] | None = None
    revision: int = 0
    agent: str = ""


def tell(question: Question, table: RoutingTable, decision: Decision, *, simulated: bool = False) -> Explanation:
    """Tell it. One or two small queries for what the table does not know: who chose a name, what is switched off.

    `simulated`: the table has an agent that is not registered yet, so it has no page and nobody chose its names.
    """
    explanation = Explanation(*verdict_of(decision), sip_user=decision.sip_user, revision=table.revision)
    explanation.agent = decision.agent.name if decision.agent else ""
    if question.is_name:
        explanation.unmatched = bool(decision.sip_user) and decision.sip_user not in table.sip
        explanation.steps.append(typed_step(question, decision.sip_user))
    else:
        explanation.path = question.facts.path
        explanation.steps.append(Step("ok", format_html("A request to <code>{}</code>", question.facts.path)))
    if explanation.unmatched:
        explanation.near = nearest([decision.sip_user]).get(decision.sip_user)
    for step in decision.steps:
        if step.rule == "sip" and question.is_name:
            if decision.sip_user:
                words = format_html("SIP name <code>{}</code> will lead here", decision.sip_user)
                explanation.steps.append(Step("ok", words) if simulated else name_step(decision, explanation, step))
        else:
            explanation.steps.append(other_step(step, decision, explanation.path, simulated=simulated))
    if decision.outcome in ("agent", "paused"):
        last = explanation.steps.pop()
        explanation.steps.append(Step("end" if decision.outcome == "agent" else "bad", last.what, last.why))
    return explanation


def verdict_of(decision: Decision) -> tuple[str, SafeString]:
    """Tone and words of who answers."""
    name = decision.agent.name if decision.agent else ""
    link = agent_link(name) if name else SafeString("")
    version = decision.version.number if decision.version else 0
    match decision.outcome:
        case "paused":
            return "idle", format_html("{} is paused: callers hear its message", link)
        case "broken":
            return "bad", format_html("{} should answer and cannot", link)
        case "redirect":
            return "sent", format_html("Sent on to {}", link)
        case "agent" if decision.fallback:
            return "warn", format_html("{} answers as the default, version {}", link, version)
        case "agent":
            return "ok", format_html("{} answers, version {}", link, version)
    return "bad", SafeString("Nobody answers: 404")


def typed_step(question: Question, username: str) -> Step:
    """From what was typed to the name."""
    typed = question.asked
    if not username:
        return Step("bad", format_html("No SIP name in <code>{}</code>", typed), "A name stands before the @.")
    why = "as it was typed" if typed == username else f"from {typed}: capitals and what follows the name do not count"
    return Step("ok", format_html("Name <code>{}</code>", username), why)


def name_step(decision: Decision, explanation: Explanation, step: RawStep) -> Step:
    """Who has the name, and who chose that; for nobody's name, the one it was probably meant to be."""
    username = decision.sip_user
    bound = SipMapping.objects.select_related("route").only("typed", "source", "route__path", "route__enabled")
    mapping = bound.filter(username=username[:128]).first()
    if mapping is None:
        near = explanation.near
        why = "and none is like it"
        if near and near[0] in other_forms(username):
            why = f"{near[0]}, which leads to {near[1]}, may be the same number"
        elif near:
            why = f"the nearest is {near[0]}, which leads to {near[1]}"
        return Step("bad", format_html("Nobody has the SIP name <code>{}</code>", username), why)
    words = format_html("SIP name <code>{}</code> is mapped to <code>{}</code>", username, mapping.route.path)
    if not step.ok:
        off = "that route is switched off, so nobody has the name at present"
        return Step("bad", words, off if not mapping.route.enabled else "this replica does not serve that yet")
    if mapping.source == SipMapping.Source.AUTO:
        return Step("ok", words, "automatic, from its agent or route")
    return Step("ok", words, f"chosen, typed as {mapping.typed}" if mapping.typed != username else "chosen by somebody")


def other_step(step: RawStep, decision: Decision, path: str, *, simulated: bool = False) -> Step:
    """A step of any other kind."""
    agent = decision.agent.name if decision.agent else ""
    owner = format_html("<b>{}</b>", agent) if simulated else agent_link(agent) if agent else SafeString("")
    match step.rule:
        case "route" if not step.ok:
            return nobodys_path(path)
        case "route" if decision.route and step == decision.route.step:
            behind = f"its {decision.sub_path} is asked for" if decision.sub_path else "exactly this path"
            words = format_html("Route <code>{}</code> belongs to {}", decision.route.path, owner)
            return Step("ok", words, behind if not decision.sip_user else "")
        case "default" if step.ok and decision.route:
            words = format_html("The default route <code>{}</code> takes it", decision.route.path)
            return Step("ok", words, "calls to names that nobody has go there")
        case "default":
            present = unmatched()  # the table knows no route that is off
            off = format_html("The default route <code>{}</code> is switched off", present.path)
            what = off if present.is_off else "There is no default route"
            return Step("bad", what, "the platform gets 404, and the call fails")
        case "state":
            return Step("off", format_html("{} is paused", owner), "its version is not asked")
        case "version" if decision.outcome == "agent" and decision.version:
            words = format_html("<b>{}</b> answers with version {}", agent, decision.version.number)
            return Step("ok", words, step.detail)
        case "version" if decision.outcome == "paused":
            return Step("ok", "Callers hear the pause message, then the end", step.detail)
    return Step("ok" if step.ok else "bad", step.detail[:1].upper() + step.detail[1:])


def nobodys_path(path: str) -> Step:
    """Why a path leads nowhere."""
    off = Route.objects.filter(path=path.rstrip("/") or "/", enabled=False).select_related("agent").first()
    if off:
        words = format_html("Route <code>{}</code> of {} is switched off", off.path, agent_link(off.agent.name))
        return Step("bad", words, "the platform gets 404 until it is switched on again")
    return Step("bad", format_html("Nothing is registered at <code>{}</code>", path[:200]), "case counts in a path")


def agent_link(name: str) -> SafeString:
    """An agent's name, leading to its page."""
    return format_html('<a href="{}"><b>{}</b></a>', reverse("dashboard:agent", args=[name]), name)


def log_of(explanation: Explanation, caller: str = "") -> str:
    """The live log of what was asked about, the search over the last days."""
    name, path = explanation.sip_user, explanation.path
    words = f"sip:{quoted(name)}" if name else f"path:{quoted(path)}" if path else ""
    terms = [words, f"from:{quoted(caller)}" if caller else ""]
    return f"{reverse('dashboard:log')}?{urlencode({'filter': ' '.join(term for term in terms if term)})}"


def quoted(text: str) -> str:
    """A value as the log's filter reads it."""
    return f'"{text}"' if " " in text else text
