"""People in the admin: accounts with one role each, and their sign-in links."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from registry.actions import people
from registry.actions.transaction import Actor
from registry.admin.base import ActionAdmin, ActionForm
from registry.base.errors import RegistryError, sentence
from registry.models import Member
from registry.policy import ROLES, Deed
from registry.requests import actor_of

NONE = ""
ROLE_CHOICES = [(name, name) for name in ROLES]


class AddMemberForm(ActionForm):
    """A new account, without a password."""

    name = forms.CharField(max_length=150, label="user name")
    role = forms.ChoiceField(choices=ROLE_CHOICES)
    staff = forms.BooleanField(required=False, help_text="may use this admin")
    address = forms.EmailField(required=False, label="email")
    columns = {"username": "name", "email": "address"}

    class Meta:
        model = Member
        fields: list[str] = []

    def act(self, by: Actor) -> Member:
        """Make it."""
        given = self.cleaned_data
        return people.add_member(given["name"], given["role"], by=by, staff=given["staff"], email=given["address"])


class EditMemberForm(ActionForm):
    """All that there is of an account."""

    role = forms.ChoiceField(choices=[(NONE, "none"), *ROLE_CHOICES], required=False)
    active = forms.BooleanField(required=False, help_text="its sessions and tokens are refused while it is not")
    staff = forms.BooleanField(required=False, help_text="may use this admin")
    address = forms.EmailField(required=False, label="email")
    expected = forms.CharField(widget=forms.HiddenInput)
    columns = {"email": "address"}

    class Meta:
        model = Member
        fields: list[str] = []

    def shown(self) -> dict[str, Any]:
        """As it is now."""
        member = self.instance
        return {
            "role": people.given_role(member) or NONE,
            "active": member.is_active,
            "staff": member.is_staff,
            "address": member.email,
            "expected": people.member_tag(member),
        }

    def act(self, by: Actor) -> Member:
        """Change it."""
        given, name = self.cleaned_data, self.instance.username
        people.update_member(
            name,
            by=by,
            role=given["role"] or None,
            active=given["active"],
            staff=given["staff"],
            email=given["address"],
            expected=[given["expected"]],
        )
        return Member.objects.get(username=name)


@admin.register(Member)
class MemberAdmin(ActionAdmin):
    """Accounts. They are switched off rather than deleted: the audit goes on naming them."""

    to_see = to_add = to_change = to_remove = Deed.ADMINISTER
    add_form, change_form = AddMemberForm, EditMemberForm
    remove_word = "switch off"
    list_display = ("username", "role", "is_active", "is_staff", "email", "last_login")
    list_filter = ("is_active", "is_staff", "groups")
    search_fields = ("username", "email")
    ordering = ("username",)
    show_full_result_count = False
    actions = ("link", "switch_on", "remove_selected")
    readonly_fields = ("username", "last_login", "date_joined")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Member]:
        """With the roles that the list shows."""
        return super().get_queryset(request).prefetch_related("groups")

    def get_fieldsets(self, _request: HttpRequest, obj: Member | None = None) -> Any:
        """What there is to fill in."""
        fields = [*self.readonly_fields, *EditMemberForm.base_fields] if obj else list(AddMemberForm.base_fields)
        return [(None, {"fields": fields})]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """One that is switched off is so already."""
        return super().has_delete_permission(request, obj) and (obj is None or obj.is_active)

    @admin.display(description="role")
    def role(self, member: Member) -> str | None:
        """The one that counts."""
        return people.given_role(member)

    def response_add(self, request: HttpRequest, obj: Any, _post_url: str | None = None) -> HttpResponse:
        """Show the new account's sign-in link, in this answer only."""
        return self.show_link(request, obj)

    @admin.action(description="Make a sign-in link", permissions=["act"])
    def link(self, request: HttpRequest, queryset: QuerySet[Member]) -> HttpResponse | None:
        """Show one, for one account."""
        members = list(queryset[:2])
        if len(members) == 1:
            try:
                return self.show_link(request, members[0])
            except RegistryError as error:
                self.message_user(request, sentence(error), messages.ERROR)
        else:
            self.message_user(request, "Choose one account: each link is shown once.", messages.ERROR)
        return None

    def show_link(self, request: HttpRequest, member: Member) -> HttpResponse:
        """A page with a link."""
        path = people.make_sign_in_link(member.username, by=actor_of(request, "admin"))
        hours = settings.PASSWORD_RESET_TIMEOUT // 3600
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Sign-in link for {member}",
            "what": f"It signs {member} in, once, within {hours} hours. Whoever has it can use it.",
            "label": "Link",
            "secret": f"{settings.PUBLIC_URL}{path}" if settings.PUBLIC_URL else request.build_absolute_uri(path),
            "list_url": self.list_url(),
        }
        return TemplateResponse(request, "admin/registry/shown_once.html", context)

    @admin.action(description="Switch on", permissions=["act"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[Member]) -> None:
        """Let them in again."""
        self.act_on(request, queryset, lambda m, by: people.set_active(m.username, True, by=by), "switch on")

    def remove(self, obj: Member, by: Actor) -> Any:
        """Switch it off."""
        return people.set_active(obj.username, False, by=by)

    def effect(self, _objects: list[Member]) -> list[str]:
        """What they notice."""
        return ["Their sessions and tokens are refused from now on, and their sign-in links do not work."]
