import uuid

import pytest
from django.contrib.auth import get_user_model
from django.test import Client as Browser

from agents.models import Agent
from registry.models import RoutingEvent

LISTS = [
    "agents/agent",
    "agents/agentversion",
    "registry/route",
    "registry/sipmapping",
    "registry/worker",
    "registry/routingevent",
]


@pytest.fixture
def staff(db):
    browser = Browser()
    browser.force_login(get_user_model().objects.create_superuser("alice"))
    return browser


@pytest.fixture
def event(db):
    texts = dict.fromkeys(
        ["replica", "kind", "method", "path", "source", "route", "agent", "call_id", "sip_user", "caller", "dialled",
         "function", "outcome", "detail"],
        "",
    )  # fmt: skip
    return RoutingEvent.objects.create(
        id=uuid.UUID(int=1_800_000_000_000 << 80), status=200, steps=[], microseconds=50, **texts
    )


@pytest.mark.parametrize("model", LISTS)
def test_staff_can_look_at_every_list_and_change_nothing(staff, fleet, event, model):
    page = staff.get(f"/admin/{model}/")
    assert page.status_code == 200
    assert f"/admin/{model}/add/" not in page.content.decode()
    assert staff.get(f"/admin/{model}/add/").status_code == 403


def test_the_log_shows_the_time_of_an_event(staff, event):
    assert "2027-01-15 08:00:00.000" in staff.get("/admin/registry/routingevent/").content.decode()


def test_no_page_of_an_agent_shows_its_secrets(staff, fleet):
    agent = Agent.objects.get(name="pharmacy")
    agent.credentials, agent.signing_key = "u:hunter2hunter2", "PSKhunter2hunter2"
    agent.save()
    for path in (f"/admin/agents/agent/{agent.pk}/change/", f"/admin/agents/agent/{agent.pk}/history/"):
        page = staff.get(path)
        assert page.status_code == 200
        assert "pharmacy" in page.content.decode()
        assert "hunter2" not in page.content.decode()
    assert staff.post(f"/admin/agents/agent/{agent.pk}/change/", {"name": "taken-over"}).status_code == 403
    assert Agent.objects.filter(name="pharmacy").exists()
