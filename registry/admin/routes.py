"""Routes and SIP names in the admin."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from registry.actions import effects, routes
from registry.actions import sip_names as sip_name_actions
from registry.actions.etags import route_tag
from registry.actions.transaction import Actor
from registry.admin.agent_forms import words
from registry.admin.agents import effect_lines, listed
from registry.admin.base import ActionAdmin, ActionForm
from registry.models import Route, SipMapping
from registry.policy import Deed
from registry.routing.addresses import normalise_route, normalise_sip_username


class AddRouteForm(ActionForm):
    """Another route of a registered agent."""

    agent_name = forms.CharField(max_length=63, label="agent")
    path = forms.CharField(max_length=200, help_text="URL path, such as /sales")
    sip = forms.CharField(required=False, label="SIP names", help_text="besides the automatic ones")
    automatic = forms.BooleanField(required=False, initial=True, label="SIP names from the agent's name and the route")

    class Meta:
        model = Route
        fields: list[str] = []

    def act(self, by: Actor) -> Route:
        """Register it."""
        given = self.cleaned_data
        change = routes.register_route(
            given["agent_name"], given["path"], by=by, sip=words(given["sip"]), auto_sip=given["automatic"]
        )
        self.report(change)
        return Route.objects.get(path=change.route)


class EditRouteForm(ActionForm):
    """Switch a route on or off, or make it the one for names that nobody has."""

    switched_on = forms.BooleanField(required=False, label="enabled", help_text="one that is not answers 404")
    fallback = forms.BooleanField(
        required=False, label="default", help_text="takes the calls to SIP names that nobody has"
    )
    expected = forms.CharField(widget=forms.HiddenInput)

    class Meta:
        model = Route
        fields: list[str] = []

    def shown(self) -> dict[str, Any]:
        """As it is now."""
        route = self.instance
        return {
            "switched_on": route.enabled,
            "fallback": route.default,
            "expected": route_tag(route),
        }

    def act(self, by: Actor) -> Route:
        """Change it."""
        given = self.cleaned_data
        enabled, default, expected = given["switched_on"], given["fallback"], [given["expected"]]
        routes.update_route(self.instance.pk, by=by, enabled=enabled, default=default, expected=expected)
        return Route.objects.get(pk=self.instance.pk)


@admin.register(Route)
class RouteAdmin(ActionAdmin):
    """Routes."""

    to_add = to_change = to_remove = Deed.CHANGE
    add_form, change_form = AddRouteForm, EditRouteForm
    remove_word = "unregister"
    list_display = ("path", "agent", "enabled", "default", "created")
    list_filter = ("enabled", "default")
    list_select_related = ("agent",)
    search_fields = ("path", "agent__name")
    show_full_result_count = False
    actions = ("remove_selected",)
    readonly_fields = ("path", "agent", "enabled", "default", "sip_names", "created")

    def get_fieldsets(self, request: HttpRequest, obj: Route | None = None) -> Any:
        """What there is to fill in, or to look at."""
        if obj is None:
            return [(None, {"fields": list(AddRouteForm.base_fields)})]
        if not self.has_change_permission(request, obj):
            return [(None, {"fields": self.readonly_fields})]
        return [(None, {"fields": ["path", "agent", "sip_names", "created", *EditRouteForm.base_fields]})]

    @admin.display(description="SIP names")
    def sip_names(self, route: Route) -> str:
        """All of them."""
        return ", ".join(mapping.username for mapping in route.sip_mappings.all())

    def remove(self, obj: Route, by: Actor) -> None:
        """Unregister it."""
        routes.unregister(obj.pk, by=by)

    def effect(self, objects: list[Route]) -> list[str]:
        """What callers notice."""
        effect = effects.effect_of_removing([route.pk for route in objects])
        lost = [f"Without any route, and so in the trash: {listed(effect.trashed)}."] if effect.trashed else []
        return [*effect_lines(effect), *lost]


class AddSipForm(ActionForm):
    """A name for a route."""

    typed_name = forms.CharField(max_length=200, label="SIP name", help_text="such as help-desk")
    path = forms.CharField(max_length=200, label="route", help_text="URL path, such as /sales")
    columns = {"username": "typed_name", "route": "path"}

    class Meta:
        model = SipMapping
        fields: list[str] = []

    def act(self, by: Actor) -> SipMapping:
        """Map it."""
        name = self.cleaned_data["typed_name"]
        sip_name_actions.register_sip_username(name, normalise_route(self.cleaned_data["path"]), by=by)
        return SipMapping.objects.get(username=normalise_sip_username(name))


@admin.register(SipMapping)
class SipMappingAdmin(ActionAdmin):
    """SIP names. One is not changed, but removed and mapped again."""

    to_add = to_remove = Deed.CHANGE
    add_form = AddSipForm
    remove_word = "unmap"
    list_display = ("username", "route", "source", "created")
    list_filter = ("source",)
    list_select_related = ("route",)
    search_fields = ("username", "route__path")
    show_full_result_count = False
    actions = ("remove_selected",)

    def get_fieldsets(self, _request: HttpRequest, obj: SipMapping | None = None) -> Any:
        """What there is to fill in, or to look at."""
        seen = ["username", "typed", "route", "source", "created"]
        return [(None, {"fields": seen if obj else list(AddSipForm.base_fields)})]

    def remove(self, obj: SipMapping, by: Actor) -> None:
        """Unmap it."""
        sip_name_actions.unregister_sip_username(obj.username, by=by)

    def effect(self, _objects: list[SipMapping]) -> list[str]:
        """Who takes the calls then."""
        return [f"Calls to them reach {effects.unmatched()}."]
