"""What happens, in the admin: the routing log, workers, wrong passwords. To look at."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from axes.models import AccessAttempt
from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

from registry.admin.base import PolicyAdmin
from registry.log.models import RoutingEvent
from registry.models import Worker
from registry.policy import Deed

if TYPE_CHECKING:
    EventPaginator = Paginator[Any]
else:
    EventPaginator = Paginator

MOST_EVENTS = 5000  # that can be paged through; others are found by their call


class NewestPaginator(EventPaginator):
    """Pages through the newest only: the log may have a hundred million rows, which nobody should count."""

    @cached_property
    def count(self) -> int:
        """How many there are, at most."""
        events: Any = self.object_list[:MOST_EVENTS]
        return int(events.count())


@admin.register(Worker)
class WorkerAdmin(PolicyAdmin):
    """Workers and how far they are."""

    list_display = ("replica", "pid", "revision", "spool_bytes", "seen", "last_error")
    show_full_result_count = False


@admin.register(RoutingEvent)
class RoutingEventAdmin(PolicyAdmin):
    """The routing log, newest first."""

    list_display = ("time", "outcome", "kind", "path", "agent", "version", "function", "status", "call_id")
    show_full_result_count = False
    list_per_page = 50
    paginator = NewestPaginator
    search_fields = ("call_id__exact", "request_id__exact", "trace_id__exact")
    search_help_text = f"The newest {MOST_EVENTS} are listed; any other is found by its call id."

    def get_queryset(self, request: HttpRequest) -> QuerySet[RoutingEvent]:
        """Without what only one event's page shows."""
        return super().get_queryset(request).defer("steps", "request", "response")

    @admin.display(description="time")
    def time(self, event: RoutingEvent) -> str:
        """When it was: the id's own time."""
        return event.time.isoformat(sep=" ", timespec="milliseconds")


@admin.register(AccessAttempt)
class AccessAttemptAdmin(PolicyAdmin):
    """Wrong passwords, as django-axes counts them."""

    to_see = Deed.ADMINISTER
    list_display = ("attempt_time", "username", "ip_address", "failures_since_start", "path_info")
    search_fields = ("username", "ip_address")
    show_full_result_count = False
    fields = ("attempt_time", "username", "ip_address", "user_agent", "failures_since_start", "path_info")
