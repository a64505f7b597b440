"""Agents in the Django admin: to look at. Changing them here comes with step 4, through the registry's actions."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from agents.models import Agent, AgentVersion

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin  # generic for the type checker only


class ReadOnlyAdmin(ModelAdmin):
    """Shows; adds, changes and deletes nothing."""

    def has_add_permission(self, _request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        """Nobody."""
        return False


@admin.register(Agent)
class AgentAdmin(ReadOnlyAdmin):
    """Agents, without their secrets."""

    list_display = ("name", "state", "kind", "live", "created")
    list_filter = ("state", "kind")
    list_select_related = ("live__agent",)
    search_fields = ("name", "title")
    exclude = ("credentials", "signing_key")


@admin.register(AgentVersion)
class AgentVersionAdmin(ReadOnlyAdmin):
    """The versions of all agents."""

    list_display = ("agent", "number", "author", "created", "note")
    list_select_related = ("agent",)
    search_fields = ("agent__name", "note")
