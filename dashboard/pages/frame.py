"""What belongs to the frame of every page: theme, time zones, replicas, the count of failing agents."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import path

from dashboard.shell import THEME_COOKIE, THEMES, failing_agents, page_before, page_for, steps_of_replicas
from dashboard.zones import YEAR, offered
from registry.policy import Deed


@page_for(Deed.SEE)
def in_step(request: HttpRequest) -> HttpResponse:
    """Which replicas serve the newest revision."""
    return render(request, "parts/in_step.html", steps_of_replicas())


@page_for(Deed.SEE)
def zones(request: HttpRequest) -> HttpResponse:
    """The time zones to choose from, for a datalist."""
    return render(request, "parts/zone_names.html", {"names": offered()})


@page_for(Deed.SEE)
def failing(request: HttpRequest) -> HttpResponse:
    """The names of the agents that fail at present; the scripts put their number into title, icon and rail."""
    return JsonResponse({"failing": failing_agents()})


@page_for(Deed.SEE, methods=["POST"])
def theme(request: HttpRequest) -> HttpResponse:
    """Choose light or dark, or neither: then it is as the system has it."""
    answer = redirect(page_before(request))
    chosen = request.POST.get("theme", "")
    if chosen in THEMES:
        answer.set_cookie(THEME_COOKIE, chosen, max_age=YEAR, samesite="Lax", httponly=True, secure=request.is_secure())
    else:
        answer.delete_cookie(THEME_COOKIE)
    return answer


urlpatterns = [
    path("frame/replicas/", in_step, name="in-step"),
    path("frame/zones/", zones, name="zones"),
    path("frame/failing/", failing, name="failing"),
    path("frame/theme/", theme, name="theme"),
]
