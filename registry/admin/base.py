"""What the admin's pages have in common: the policy decides who may, and every change is an action of the registry.

A form runs its action while it is validated, so that what the registry refuses stands beside the field. Nothing is
saved by Django itself, and Django's own bulk delete is taken away.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from registry.actions.transaction import Actor, Change
from registry.base.errors import Outdated, RegistryError, sentence
from registry.policy import Deed
from registry.requests import actor_of, principal_of

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    ModelForm = forms.ModelForm[Any]
else:
    ModelAdmin = admin.ModelAdmin  # generic for the type checker only
    ModelForm = forms.ModelForm

MAX_NAMED = 20  # things that a page or a message names one by one
CHANGED_MEANWHILE = (
    "Somebody else has changed this since you opened the page. Nothing of yours was saved: open it again in another "
    "tab, compare, and repeat your change."
)


class PolicyAdmin(ModelAdmin):
    """Asks the registry's policy instead of Django's table of permissions. None: nobody may, by this door."""

    to_see: Deed = Deed.SEE
    to_add: Deed | None = None
    to_change: Deed | None = None
    to_remove: Deed | None = None

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether it is listed at all."""
        return principal_of(request).may(self.to_see)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Whether it may be seen."""
        return principal_of(request).may(self.to_see)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whether one may be added."""
        return self.to_add is not None and principal_of(request).may(self.to_add)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Whether it may be changed."""
        return self.to_change is not None and principal_of(request).may(self.to_change)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Whether it may be removed, in the way of the model."""
        return self.to_remove is not None and principal_of(request).may(self.to_remove)

    def has_act_permission(self, request: HttpRequest) -> bool:
        """For bulk actions with `permissions=["act"]`."""
        return self.to_remove is not None and principal_of(request).may(self.to_remove)

    def lookup_allowed(self, lookup: str, _value: str, request: HttpRequest) -> bool:
        """Lists are filtered by what they offer, and by nothing else that may stand in an address."""
        offered = {"pk", "pk__exact"}
        for field in self.get_list_filter(request):
            offered |= {f"{field}__exact", f"{field}__isnull"}
            if self.opts.get_field(str(field)).is_relation:
                offered |= {f"{field}__id__exact"}
        return lookup in offered

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Without Django's bulk delete, which would go round the registry's actions."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions


class ActionForm(ModelForm):
    """A form whose `act` is the change."""

    request: HttpRequest  # of this page; set on the class that is made for it
    columns: dict[str, str] = {}  # where a problem of the registry belongs, if the field has another name

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        self.initial = {**self.initial, **self.shown()}

    def shown(self) -> dict[str, Any]:
        """For subclasses: what stands in the fields at first."""
        return {}

    def act(self, by: Actor) -> Model:
        """For subclasses: do it, give what was made or changed; raises `RegistryError`."""
        raise NotImplementedError

    def _post_clean(self) -> None:
        """Act, in place of Django's own checks of the model."""
        if self.errors:
            return
        try:
            with transaction.atomic():  # several actions are one
                self.instance = self.act(actor_of(self.request, "admin"))
        except RegistryError as error:
            self.tell(error)

    def tell(self, error: RegistryError) -> None:
        """Put what was refused beside its field."""
        if isinstance(error, Outdated):
            self.add_error(None, CHANGED_MEANWHILE)
            return
        for path, problem in error.problems.items():
            field = self.columns.get(path, path)
            known = field in self.fields
            self.add_error(field if known else None, problem if known else f"{path}: {problem}")
        if not error.problems:
            self.add_error(None, sentence(error))

    def report(self, change: Change) -> None:
        """Pass on what the action warns of."""
        for line in [*change.warnings, *change.skipped_lines]:
            messages.warning(self.request, line)

    def save(self, commit: bool = True) -> Any:
        """It is saved already."""
        return self.instance

    def save_m2m(self) -> None:
        """Nothing is left to do."""


class ActionAdmin(PolicyAdmin):
    """Adds and changes by `ActionForm`s; removes by `remove`, after a page that names the effect."""

    add_form: type[ActionForm] | None = None
    change_form: type[ActionForm] | None = None
    remove_word = "remove"

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Removing is called what it is here."""
        actions = super().get_actions(request)
        if "remove_selected" in actions:
            function, name, _ = actions["remove_selected"]
            actions["remove_selected"] = function, name, self.remove_word.capitalize()
        return actions

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        """The form of this page, which knows its request."""
        form = self.change_form if change else self.add_form
        if form is not None:
            options["form"] = form
        made: Any = super().get_form(request, obj, change, **options)
        made.request = request
        return made

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Nothing of what is new."""
        return super().get_readonly_fields(request, obj) if obj else ()

    def save_model(self, _request: HttpRequest, _obj: Any, _form: Any, _change: bool) -> None:
        """The form has."""

    def remove(self, obj: Any, by: Actor) -> None:
        """For subclasses: the action."""
        raise NotImplementedError

    def effect(self, objects: list[Any]) -> list[str]:
        """For subclasses: what removing these does, in sentences."""
        raise NotImplementedError

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Django's page for one object: confirm, then remove it."""
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            self.message_user(request, f"There is no such {self.opts.verbose_name} any more.", messages.WARNING)
            return HttpResponseRedirect(self.list_url())
        if not self.has_delete_permission(request, obj):
            raise PermissionDenied
        if request.method != "POST":
            return self.confirm(request, self.remove_word, [obj], self.effect([obj]))
        self.act_on(request, [obj], self.remove, self.remove_word)
        return HttpResponseRedirect(self.list_url())

    @admin.action(permissions=["act"])
    def remove_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """The same for several."""
        objects = list(queryset)
        if not request.POST.get("confirmed"):
            return self.confirm(request, self.remove_word, objects, self.effect(objects), "remove_selected")
        self.act_on(request, objects, self.remove, self.remove_word)
        return None

    def confirm(
        self, request: HttpRequest, word: str, objects: list[Any], effect: list[str], action: str = "", ask: str = ""
    ) -> HttpResponse:
        """A page that names the effect. `action`: the bulk action that goes on; `ask`: the label of a text to give."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{word.capitalize()} {counted(objects, self.opts)}",
            "word": word,
            "objects": objects[:MAX_NAMED],
            "more": max(len(objects) - MAX_NAMED, 0),
            "effect": effect,
            "action": action,
            "ask": ask,
            "selected": request.POST.getlist("_selected_action"),
            "across": request.POST.get("select_across", "0"),
            "list_url": self.list_url(),
        }
        return TemplateResponse(request, "admin/registry/confirm.html", context)

    def act_on(self, request: HttpRequest, objects: Iterable[Any], act: Callable[[Any, Actor], Any], word: str) -> None:
        """Do it to each; what is refused is said and keeps nobody from the next."""
        by, done, refused = actor_of(request, "admin"), [], []
        for obj in objects:
            try:
                if act(obj, by) is not False:
                    done.append(obj)
            except RegistryError as error:
                refused.append(sentence(error))
        if done:
            for obj in done:
                self.log_change(request, obj, word)
        nothing = not done and not refused
        self.message_user(
            request, f"{word.capitalize()}: {counted(done, self.opts)}.", messages.SUCCESS
        ) if done else None
        self.message_user(request, "Everything was so already.", messages.INFO) if nothing else None
        for problem in refused[:MAX_NAMED]:
            self.message_user(request, problem, messages.ERROR)
        if len(refused) > MAX_NAMED:
            self.message_user(request, f"{len(refused) - MAX_NAMED} more were refused.", messages.ERROR)

    def list_url(self) -> str:
        """Where the list is."""
        return reverse(f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_changelist")


def counted(objects: list[Any], options: Any) -> str:
    """One by its name, several by their number."""
    if len(objects) == 1:
        return f"{options.verbose_name} {objects[0]}"
    return f"{len(objects)} {options.verbose_name_plural}"
