"""Versions in the admin: to look at. They never change, and are published with their agent."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from agents.models import AgentVersion
from registry.admin.base import PolicyAdmin
from registry.base.yaml_out import to_yaml


@admin.register(AgentVersion)
class AgentVersionAdmin(PolicyAdmin):
    """The versions of all agents, newest first."""

    list_display = ("agent", "number", "author", "created", "retired", "note")
    list_select_related = ("agent",)
    search_fields = ("agent__name", "note")
    ordering = ("-id",)
    show_full_result_count = False
    fields = ("agent", "number", "author", "created", "retired", "note", "definition_text")
    readonly_fields = ("definition_text",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[AgentVersion]:
        """Without definitions: they are large, and a page shows one."""
        return super().get_queryset(request).defer("definition")

    @admin.display(description="definition")
    def definition_text(self, version: AgentVersion) -> str:
        """As YAML."""
        return format_html("<pre>{}</pre>", to_yaml(version.definition))
