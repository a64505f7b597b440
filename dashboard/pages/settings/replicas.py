"""Settings: replicas and their workers, as their heartbeats tell."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path

from dashboard.pages.settings.sections import show_section
from dashboard.shell import page_for
from registry.heartbeats import live_workers
from registry.models import RegistryChange, Worker
from registry.policy import Deed


@page_for(Deed.SEE)
def replicas(request: HttpRequest) -> HttpResponse:
    """Which revision each worker serves, what waits in its spool, and its last error. Dead ones stay for an hour."""
    newest = RegistryChange.newest()
    live = set(live_workers().values_list("pk", flat=True))
    by_name: dict[str, list[dict[str, Any]]] = {}
    for worker in Worker.objects.order_by("replica", "pid"):
        by_name.setdefault(worker.replica, []).append(described(worker, worker.pk in live, newest))
    rows = [worker for workers in by_name.values() for worker in workers]
    context = {
        "newest": newest,
        "by_name": [replica(name, workers) for name, workers in by_name.items()],
        "in_step_workers": sum(row["state"] == "in_step" for row in rows),
        "live_workers": sum(row["live"] for row in rows),
        "waiting": sum(row["worker"].spool_bytes for row in rows),
    }
    return show_section(request, "settings-replicas", "replicas", context, parts={"list"})


def described(worker: Worker, live: bool, newest: int) -> dict[str, Any]:
    """A worker and its state."""
    behind = max(0, newest - worker.revision)
    state = "silent" if not live else "behind" if behind else "in_step"
    return {"worker": worker, "live": live, "behind": behind, "state": state}


def replica(name: str, workers: list[dict[str, Any]]) -> dict[str, Any]:
    """A replica: as good as the worst of its live workers; silent without any."""
    live = [worker["state"] for worker in workers if worker["live"]]
    state = "silent" if not live else "behind" if "behind" in live else "in_step"
    return {"name": name, "workers": workers, "state": state}


urlpatterns = [path("settings/replicas/", replicas, name="settings-replicas")]
