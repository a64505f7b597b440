"""Routes, SIP names, and who answers what: the tester first, the tables behind it."""

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse

from dashboard.pages import routing_acts as acts
from dashboard.routing import tables
from dashboard.routing.page import shown, text_of
from dashboard.shell import page_for
from registry.policy import Deed
from registry.requests import public_base
from registry.routing.question import question_of


@page_for(Deed.SEE)
def routing(request: HttpRequest) -> HttpResponse:
    """The page, or the part of it that changed."""
    question = question_of(text_of(request, "ask"), public_base(request))
    if question.withheld:  # secrets have no place in an address
        return redirect(f"{reverse('dashboard:routing')}?{urlencode({**request.GET.dict(), 'ask': question.asked})}")
    return shown(request)


@page_for(Deed.SEE)
def offers(request: HttpRequest) -> HttpResponse:
    """Routes or agents to choose from while one types, for a datalist."""
    kind = "agent" if request.GET.get("kind") == "agent" else "route"
    found = tables.offers(
        kind, text_of(request, "agent") or text_of(request, "copy") if kind == "agent" else text_of(request, "route")
    )
    return render(request, "parts/routing_offers.html", {"found": found})


urlpatterns = [
    path("routing/", routing, name="routing"),
    path("routing/offers/", offers, name="routing-offers"),
    path("routing/map/", acts.map_name, name="routing-map"),
    path("routing/unmap/", acts.unmap_name, name="routing-unmap"),
    path("routing/routes/", acts.add_route, name="routing-add"),
    path("routing/routes/change/", acts.change_route, name="routing-change"),
    path("routing/routes/remove/", acts.remove_route, name="routing-remove"),
    path("routing/routes/restore/", acts.restore_route, name="routing-restore"),
]
