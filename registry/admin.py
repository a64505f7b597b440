"""The registry in the Django admin: to look at, like the agents."""

from django.contrib import admin

from agents.admin import ReadOnlyAdmin
from registry.models import Route, RoutingEvent, SipMapping, Worker


@admin.register(Route)
class RouteAdmin(ReadOnlyAdmin):
    """Routes."""

    list_display = ("path", "agent", "enabled", "default", "created")
    list_select_related = ("agent",)
    search_fields = ("path", "agent__name")


@admin.register(SipMapping)
class SipMappingAdmin(ReadOnlyAdmin):
    """SIP names."""

    list_display = ("username", "route", "source", "created")
    list_select_related = ("route",)
    search_fields = ("username", "route__path")


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    """Workers and how far they are."""

    list_display = ("replica", "pid", "revision", "spool_bytes", "seen", "last_error")


@admin.register(RoutingEvent)
class RoutingEventAdmin(ReadOnlyAdmin):
    """The routing log, newest first."""

    list_display = ("time", "outcome", "kind", "path", "agent", "version", "function", "status", "call_id")
    show_full_result_count = False
    list_per_page = 50
    search_fields = ("call_id__exact", "request_id__exact", "trace_id__exact")

    @admin.display(description="time")
    def time(self, event: RoutingEvent) -> str:
        """When it was: the id's own time."""
        return event.time.isoformat(sep=" ", timespec="milliseconds")
