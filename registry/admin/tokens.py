"""Tokens in the admin: made and shown once, listed, revoked."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from registry.actions.people import get_user
from registry.actions.tokens import MAX_DAYS, create_token, revoke_token, state_of
from registry.actions.transaction import Actor
from registry.admin.base import ActionAdmin, ActionForm
from registry.models import ApiToken
from registry.policy import Deed


class AddTokenForm(ActionForm):
    """A new token."""

    what_for = forms.CharField(max_length=100, label="name", help_text="what it is for")
    opens = forms.ChoiceField(choices=ApiToken.Scope, label="scope")
    days = forms.IntegerField(
        required=False, min_value=1, max_value=MAX_DAYS, initial=90, help_text="empty: until it is revoked"
    )
    person = forms.CharField(
        required=False, max_length=150, label="owner", help_text="it may never more than this account"
    )
    columns = {"name": "what_for", "scope": "opens"}

    class Meta:
        model = ApiToken
        fields: list[str] = []

    def act(self, by: Actor) -> ApiToken:
        """Make it."""
        given = self.cleaned_data
        owner = get_user(given["person"]) if given["person"] else None
        made = create_token(given["what_for"], given["opens"], by=by, days=given["days"], owner=owner)
        vars(made.token)["shown_once"] = made.text
        return made.token


@admin.register(ApiToken)
class ApiTokenAdmin(ActionAdmin):
    """Tokens, without their digests."""

    to_see = to_add = to_remove = Deed.ADMINISTER
    add_form = AddTokenForm
    remove_word = "revoke"
    list_display = ("key", "name", "scope", "owner", "state", "expires", "last_used")
    list_filter = ("scope",)
    list_select_related = ("owner",)
    search_fields = ("key", "name", "owner__username")
    show_full_result_count = False
    actions = ("remove_selected",)

    def get_fieldsets(self, _request: HttpRequest, obj: ApiToken | None = None) -> Any:
        """What there is to fill in, or to look at."""
        seen = ["key", "name", "scope", "owner", "state", "author", "created", "expires", "revoked", "last_used"]
        return [(None, {"fields": seen if obj else list(AddTokenForm.base_fields)})]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """One that is revoked stays so."""
        return super().has_delete_permission(request, obj) and (obj is None or obj.revoked is None)

    def response_add(self, request: HttpRequest, obj: Any, _post_url: str | None = None) -> HttpResponse:
        """Show the token in this answer and nowhere else: a message would be kept in a cookie or a session."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Token {obj.name}",
            "what": "The token is shown this once: only its digest is kept.",
            "label": f"Token, scope {obj.scope}",
            "secret": obj.shown_once,
            "list_url": self.list_url(),
        }
        return TemplateResponse(request, "admin/registry/shown_once.html", context)

    @admin.display(description="state")
    def state(self, token: ApiToken) -> str:
        """Active, expired or revoked."""
        return state_of(token)

    def remove(self, obj: ApiToken, by: Actor) -> Any:
        """Revoke it."""
        return revoke_token(obj.key, by=by)[1]

    def effect(self, _objects: list[ApiToken]) -> list[str]:
        """What scripts notice."""
        return ["Scripts that use them are refused from now on. This cannot be undone."]
