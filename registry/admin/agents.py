"""Agents in the admin: register, edit, publish, pause, resume, unregister, restore."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Count, F, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse

from agents.models import Agent
from registry import actions
from registry.admin.base import MAX_NAMED, ActionAdmin, ActionForm
from registry.changes import Actor
from registry.definitions import read_definition
from registry.describing import agent_tag
from registry.errors import Malformed
from registry.files import MAX_FILE_BYTES, parse
from registry.fleet.writing import to_yaml
from registry.models import Route, SipMapping
from registry.policy import Deed

LINES = forms.Textarea(attrs={"rows": 30, "cols": 110, "spellcheck": "false", "class": "vLargeTextField"})
WORDS = "separated by commas or spaces"


class DefinitionField(forms.CharField):
    """A definition as YAML or JSON text; its value is the checked definition."""

    widget = LINES

    def __init__(self, **options: Any):
        super().__init__(
            strip=False, max_length=MAX_FILE_BYTES, help_text="YAML or JSON; see docs/definition.md", **options
        )

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Browsers send other line ends than they were given."""
        return bool(super().has_changed(initial, plain(data or "")))


def read(text: str) -> Any:
    """What a text defines; a `ValidationError` says every problem with its line, or its path in the definition."""
    try:
        definition = parse(text, "the text")
        read_definition(definition)
    except Malformed as error:
        problems = [f"{path or 'definition'}: {problem}" for path, problem in error.problems.items()]
        raise ValidationError(problems or [str(error)]) from None
    return definition


class RegisterForm(ActionForm):
    """A new agent."""

    name = forms.CharField(max_length=63, help_text="lower-case letters, digits, - and _")
    route = forms.CharField(max_length=200, help_text="URL path, such as /sales")
    sip = forms.CharField(required=False, label="SIP names", help_text=f"besides the automatic ones, {WORDS}")
    definition = DefinitionField()
    note = forms.CharField(required=False, max_length=500, help_text="why; kept with the version")

    class Meta:
        model = Agent
        fields: list[str] = []

    def clean_definition(self) -> Any:
        """Read it."""
        return read(self.cleaned_data["definition"])

    def act(self, by: Actor) -> Agent:
        """Register it."""
        given = self.cleaned_data
        change = actions.register(
            given["name"], given["route"], given["definition"], sip=words(given["sip"]), by=by, note=given["note"]
        )
        self.report(change)
        return Agent.objects.get(name=given["name"])


class EditForm(ActionForm):
    """What can be changed of an agent. A definition that says something else is published at once."""

    title = forms.CharField(required=False, max_length=actions.MAX_TITLE)
    tags = forms.CharField(required=False, help_text="separated by commas")
    definition = DefinitionField()
    note = forms.CharField(required=False, max_length=500, help_text="why; kept with a new version")
    pause = forms.CharField(
        required=False,
        max_length=actions.MAX_PAUSE_MESSAGE,
        label="pause message",
        widget=forms.Textarea(attrs={"rows": 2, "cols": 110}),
        help_text="what new callers hear while the agent is paused",
    )
    new_signing_key = forms.CharField(
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="of the platform; empty: as it is, none: the fleet's. It is never shown.",
    )
    expected = forms.CharField(widget=forms.HiddenInput)
    columns = {"signing_key": "new_signing_key"}

    class Meta:
        model = Agent
        fields: list[str] = []

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        agent = self.instance
        self.initial = {
            **self.initial,
            "title": agent.title,
            "tags": ", ".join(agent.tags),
            "definition": to_yaml(agent.live.definition) if agent.live else "",
            "pause": "" if agent.pause_is_over else agent.pause_message,
            "expected": agent_tag(agent),
        }
        if agent.current_state != Agent.State.PAUSED:
            self.fields["pause"].disabled = True

    def clean_definition(self) -> Any:
        """Read it, if it is another one: what is live may be refused today, and has to stay as it is."""
        text = self.cleaned_data["definition"]
        return read(text) if "definition" in self.changed_data else None

    def act(self, by: Actor) -> Agent:
        """Change what was changed, all of it or nothing."""
        given, name = self.cleaned_data, self.instance.name
        key = given["new_signing_key"]
        actions.update_agent(
            name,
            by=by,
            title=given["title"],
            tags=[tag for tag in given["tags"].split(",") if tag.strip()],
            signing_key=actions.FLEET if key == "none" else key,
            expected=[given["expected"]],
        )
        if "definition" in self.changed_data:
            self.report(actions.publish(name, given["definition"], by=by, note=given["note"]))
        if "pause" in self.changed_data:
            actions.pause(name, plain(given["pause"]), until=self.instance.paused_until, by=by)
        return Agent.objects.get(name=name)


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
        "name", "callers_get", "paused_until", "kind", "live_version", "draft_version", "leads_here", "created",
        "trashed",
    )  # fmt: skip
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
        return to_yaml(agent.live.definition) if agent.live else ""

    # --- what is done ------------------------------------------------------------------------------------------------

    @admin.action(description="Pause", permissions=["act"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Agent]) -> HttpResponse | None:
        """New callers hear a message."""
        agents = list(queryset)
        if not request.POST.get("confirmed"):
            effect = ["New callers hear the message and are hung up; running calls go on."]
            ask = f"Message (empty: {actions.PAUSE_MESSAGE})"
            return self.confirm(request, "pause", agents, effect, "pause", ask)
        message = request.POST.get("asked", "")
        self.act_on(request, agents, lambda agent, by: actions.pause(agent.name, message, by=by).changed, "pause")
        return None

    @admin.action(description="Resume", permissions=["act"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        """Answer new calls again."""
        self.act_on(request, queryset, lambda agent, by: actions.resume(agent.name, by=by).changed, "resume")

    @admin.action(description="Restore from the trash", permissions=["act"])
    def restore(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        """Bring agents back with their routes and SIP names."""
        self.act_on(request, queryset, lambda agent, by: actions.restore_agent(agent.name, by=by), "restore")

    @admin.action(description="Unregister", permissions=["act"])
    def remove_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Take away their routes and SIP names."""
        return super().remove_selected(request, queryset)

    def remove(self, obj: Agent, by: Actor) -> None:
        """Unregister it."""
        actions.unregister_agent(obj.name, by=by)

    def effect(self, objects: list[Agent]) -> list[str]:
        """What is lost."""
        routes = Route.objects.filter(agent__in=[agent.pk for agent in objects])
        return [*effect_of_unregistering(routes), "The agents go to the trash with their versions and secrets."]


def effect_of_unregistering(routes: QuerySet[Route]) -> list[str]:
    """What callers notice when these routes go."""
    paths = list(routes.values_list("path", flat=True))
    names = list(SipMapping.objects.filter(route__in=routes).values_list("username", flat=True))
    lines = [f"404 from now on: {listed(paths)}."] if paths else []
    if names:
        default = actions.default_route()
        lands = (
            f"reach {default.path} ({default.agent.name})" if default and default.path not in paths else "reach nobody"
        )
        lines.append(f"{len(names)} SIP name{'s' if len(names) > 1 else ''} will {lands}: {listed(names)}.")
    return lines


def listed(things: list[str]) -> str:
    """Some of them, and how many more."""
    more = f" and {len(things) - MAX_NAMED} more" if len(things) > MAX_NAMED else ""
    return ", ".join(things[:MAX_NAMED]) + more


def plain(text: str) -> str:
    """A text with plain line ends."""
    return text.replace("\r\n", "\n")


def words(text: str) -> list[str]:
    """What stands between commas and spaces."""
    return text.replace(",", " ").split()
