"""Settings → Adopt: what a server has, and what becomes of it."""

from typing import Any

import pytest

from agents.sources import Found, FoundFunction
from dashboard.pages.settings import adopt
from registry.actions.transaction import Change
from registry.adopting import Entry, Report, Wishes
from registry.adopting.remarks import FOR_COMMANDS, Advice, Remark
from registry.base.errors import Forbidden
from tests.dashboard.browsing import signed_in

pytestmark = pytest.mark.django_db
PAGE = "/dashboard/settings/adopt/"
GIVEN = {"urls": "https://a.example.com:3000\nhttps://b.example.com:3000", "user": "me", "password": "a-secret-of-mine"}


class Adopted:
    """Stands for the server: what was wished, and what it has."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[str], Wishes]] = []

    def __call__(self, urls: list[str], wishes: Wishes, *, by: Any, wait: bool) -> Report:
        self.asked.append((urls, wishes))
        assert wait is not wishes.dry_run
        if not by.may_run_code:
            raise Forbidden("addresses inside the network are for Admins")
        sales = Entry("/sales", "/sales", "sales", found=Found(functions={"price": FoundFunction()}))
        taken = Entry(
            "/main",
            "/main",
            "main",
            state="refused",
            reason=Remark("https://a.example.com:3000/main --only says so (401)", Advice.ADOPT_ALONE, "/main"),
        )
        if not wishes.dry_run:
            change = Change("sales", sip=["sales"], credentials=("sw", "made-up-for-sales"))
            sales.state, sales.change = "registered", change
        return Report("https://a.example.com:3000", [sales, taken], wishes.dry_run, ["static files"], ["Ask us now"])


@pytest.fixture
def adopted(monkeypatch: pytest.MonkeyPatch) -> Adopted:
    found = Adopted()
    monkeypatch.setattr(adopt, "adopt_server", found)
    return found


def test_a_server_is_looked_at_and_what_was_picked_is_registered(fleet: Any, adopted: Adopted) -> None:
    client = signed_in("Admin")
    looked = client.post(PAGE, GIVEN | {"act": "look"}, headers={"HX-Request": "true", "HX-Target": "there"})
    text = looked.content.decode()
    assert 'value="/sales" checked' in text
    assert 'value="/main"' not in text
    assert "https://a.example.com:3000/main --only says so (401); adopt it by itself with them." in text
    assert "a-secret-of-mine" not in text
    urls, wishes = adopted.asked[0]
    assert urls == ["https://a.example.com:3000", "https://b.example.com:3000"]
    assert (wishes.dry_run, wishes.upstream) == (True, ("me", "a-secret-of-mine"))

    picked = {"act": "adopt", "route": ["/sales"], "name_prefix": "old", "auto_sip": "on"}
    done = client.post(PAGE, GIVEN | picked)
    text = done.content.decode()
    assert done.status_code == 200
    assert "sw:made-up-for-sales" in text
    assert "a-secret-of-mine" not in text
    assert "1 registered" in text
    _, wishes = adopted.asked[1]
    assert (wishes.only, wishes.name_prefix, wishes.auto_sip, wishes.dry_run) == (("/sales",), "old", True, False)


def test_commands_and_the_page_have_words_for_each_advice() -> None:
    assert set(FOR_COMMANDS) == set(adopt.WORDS) == set(Advice)
    for advice in Advice:
        remark = Remark("it is so", advice, "/sales")
        assert remark == "it is so" + FOR_COMMANDS[advice].format("/sales"), "as JSON has it"
        assert "--" not in adopt.in_words(remark)
        assert adopt.in_words(remark).startswith("It is so")
    assert adopt.in_words("plain words") == "Plain words."


def test_what_is_missing_is_said_and_nobody_is_asked(fleet: Any, adopted: Adopted) -> None:
    client = signed_in("Admin")
    for given, words in (({"urls": ""}, "Give the server"), ({"password": ""}, "It takes both"),
                         ({"act": "adopt"}, "Pick at least one")):  # fmt: skip
        answer = client.post(PAGE, GIVEN | given)
        assert words in answer.content.decode()
        assert "a-secret-of-mine" not in answer.content.decode()
    assert not adopted.asked


def test_who_may_adopt(fleet: Any, adopted: Adopted) -> None:
    assert signed_in("Viewer").get(PAGE).status_code == 403
    answer = signed_in("Operator").post(PAGE, GIVEN)
    assert "are for Admins" in answer.content.decode()
