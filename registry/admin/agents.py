"""Agents in the admin: register, edit, publish, pause, resume, unregister, restore."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, F, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse

from agents.models import Agent
from registry.actions import pauses, trash
from registry.actions.effects import Effect, effect_of_unregistering, not_reached
from registry.actions.transaction import Actor
from registry.admin.agent_forms import EditForm, RegisterForm
from registry.admin.base import MAX_NAMED, ActionAdmin
from registry.base.yaml_out import to_yaml
from registry.models import Route
from registry.policy import Deed
from registry.reports.agent_health import troubles
from registry.reports.describe import as_written, describe_source


@admin.register(Agent)
class AgentAdmin(ActionAdmin):
    """Agents, without their secrets."""

    to_add = to_change = to_remove = Deed.CHANGE
    add_form, change_form = RegisterForm, EditForm
    remove_word = "unregister"
    list_display = ("name", "callers_get", "kind", "live_version", "route_count", "created")
    list_filter = ("state", "kind")
    search_fields = ("name", "title")
    show_full_result_count = False
    actions = ("pause", "resume", "remove_selected", "restore")
    told = (
        "name",
        "callers_get",
        "paused_until",
        "kind",
        "trouble",
        "functions_found",
        "live_version",
        "draft_version",
        "leads_here",
        "created",
        "trashed",
    )
    readonly_fields = (*told, "definition_text")
    seen = ("title", "tags", "pause_message", "definition_text")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agent]:
        """With what the list shows, and without definitions: they are large."""
        routes = (
            Route.objects.filter(agent=OuterRef("pk")).order_by().values("agent").annotate(n=Count("pk")).values("n")
        )
        agents: QuerySet[Agent] = super().get_queryset(request)
        held = Coalesce(Subquery(routes, output_field=IntegerField()), 0)
        return agents.annotate(live_number=F("live__number"), routes_held=held)

    def get_fieldsets(self, request: HttpRequest, obj: Agent | None = None) -> Any:
        """What there is to fill in, or to look at."""
        if obj is None:
            return [(None, {"fields": list(RegisterForm.base_fields)})]
        if not self.has_change_permission(request, obj):
            return [(None, {"fields": [*self.told, *self.seen]})]
        return [(None, {"fields": [*self.told, *EditForm.base_fields]})]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """One in the trash is restored first."""
        return super().has_change_permission(request, obj) and (obj is None or obj.state != Agent.State.TRASHED)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The same."""
        return super().has_delete_permission(request, obj) and (obj is None or obj.state != Agent.State.TRASHED)

    def response_add(self, request: HttpRequest, obj: Agent, post_url_continue: str | None = None) -> HttpResponse:
        """Say where its credentials are: no page here shows them."""
        how = f"python3 manage.py credentials {obj.name}"
        self.message_user(request, f"The platform's user and password for {obj.name}: {how}", messages.INFO)
        return super().response_add(request, obj, post_url_continue)

    # --- what is shown -----------------------------------------------------------------------------------------------

    @admin.display(description="live version", ordering="live_number")
    def live_version(self, agent: Any) -> int | None:
        """Its number."""
        number: int | None = agent.live_number
        return number

    @admin.display(description="state", ordering="state")
    def callers_get(self, agent: Agent) -> str:
        """Its state, and how long it is paused."""
        until = (
            "" if agent.pause_is_over or not agent.paused_until else f" until {agent.paused_until:%Y-%m-%d %H:%M} UTC"
        )
        return f"{agent.current_state}{until}"

    @admin.display(description="draft")
    def draft_version(self, agent: Agent) -> int | None:
        """Its number."""
        return agent.draft.number if agent.draft else None

    @admin.display(description="routes", ordering="routes_held")
    def route_count(self, agent: Any) -> int:
        """How many."""
        held: int = agent.routes_held
        return held

    @admin.display(description="routes and SIP names")
    def leads_here(self, agent: Agent) -> str:
        """All that leads to it."""
        routes = agent.routes.prefetch_related("sip_mappings")
        return "; ".join(
            " ".join([route.path, *(f"sip:{mapping.username}" for mapping in route.sip_mappings.all())])
            for route in routes
        )

    @admin.display(description="definition")
    def definition_text(self, agent: Agent) -> str:
        """The live one, for those who may only look."""
        return to_yaml(as_written(agent.live.definition)) if agent.live else ""

    @admin.display(description="in trouble")
    def trouble(self, agent: Agent) -> str:
        """What live workers say of it."""
        found = troubles([agent.name]).get(agent.name)
        return f"{found.state} on {found.workers} of {found.of} workers: {found.detail}" if found else "no"

    @admin.display(description="functions found")
    def functions_found(self, agent: Agent) -> str:
        """Those of a Python or remote agent, when it was registered or reloaded."""
        found = describe_source(agent.live)["found"] or {}
        return ", ".join(found.get("functions", {}))

    # --- what is done ------------------------------------------------------------------------------------------------

    @admin.action(description="Pause", permissions=["act"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Agent]) -> HttpResponse | None:
        """New callers hear a message."""
        agents = list(queryset)
        if not request.POST.get("confirmed"):
            effect = ["New callers hear the message and are hung up; running calls go on."]
            if silent := not_reached([agent.name for agent in agents]):
                effect.append(f"Not of {listed(silent)}: no route of theirs is switched on, so callers get 404.")
            ask = f"Message (empty: {pauses.PAUSE_MESSAGE})"
            return self.confirm(request, "pause", agents, effect, "pause", ask)
        message = request.POST.get("asked", "")
        self.act_on(request, agents, lambda agent, by: pauses.pause(agent.name, message, by=by).changed, "pause")
        return None

    @admin.action(description="Resume", permissions=["act"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        """Answer new calls again."""
        self.act_on(request, queryset, lambda agent, by: pauses.resume(agent.name, by=by).changed, "resume")

    @admin.action(description="Restore from the trash", permissions=["act"])
    def restore(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        """Bring agents back with their routes and SIP names."""
        self.act_on(request, queryset, lambda agent, by: trash.restore_agent(agent.name, by=by), "restore")

    def remove(self, obj: Agent, by: Actor) -> None:
        """Unregister it."""
        trash.unregister_agent(obj.name, by=by)

    def effect(self, objects: list[Agent]) -> list[str]:
        """What is lost."""
        effect = effect_of_unregistering([agent.name for agent in objects])
        return [*effect_lines(effect), "The agents go to the trash with their versions and secrets."]


def effect_lines(effect: Effect) -> list[str]:
    """What callers notice when routes go."""
    lines = [f"404 from now on: {listed(effect.routes)}."] if effect.routes else []
    if effect.sip:
        names = f"{len(effect.sip)} SIP name{'s' if len(effect.sip) > 1 else ''}"
        lines.append(f"{names} will reach {effect.unmatched}: {listed(effect.sip)}.")
    return lines


def listed(things: list[str]) -> str:
    """Some of them, and how many more."""
    more = f" and {len(things) - MAX_NAMED} more" if len(things) > MAX_NAMED else ""
    return ", ".join(things[:MAX_NAMED]) + more
