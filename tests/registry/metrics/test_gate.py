"""Who may scrape the metrics."""

import asyncio

import psycopg
import pytest
from django.db import OperationalError

from registry.actions.tokens import Verdict
from registry.metrics import gate
from registry.metrics.gate import TokenGate
from registry.policy import Level, Principal

GOOD = Verdict(Principal("scraper", Level.READ))


def ask(door: TokenGate, text: str = "swb_x_y") -> int:
    return asyncio.run(door(f"Bearer {text}".encode()))


def answering(monkeypatch: pytest.MonkeyPatch, verdict: Verdict | Exception) -> None:
    def said(_: str) -> Verdict:
        if isinstance(verdict, Exception):
            raise verdict from psycopg.OperationalError("gone")
        return verdict

    monkeypatch.setattr(gate, "ask", said)


def test_without_a_token_nobody_may(monkeypatch):
    answering(monkeypatch, GOOD)
    for header in (None, b"", b"Basic dTpw", b"Bearer ", b"\xff"):
        assert asyncio.run(TokenGate()(header)) == 401


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        (GOOD, 200),
        (Verdict(problem="revoked"), 401),
        (Verdict(Principal("x", Level.NOTHING)), 403),
        (Verdict(Principal("x", Level.READ), wait=2), 429),
    ],
)
def test_the_verdict_decides(monkeypatch, verdict, status):
    answering(monkeypatch, verdict)
    assert ask(TokenGate()) == status


def test_while_the_database_is_away_what_it_last_said_counts(monkeypatch):
    door = TokenGate()
    answering(monkeypatch, GOOD)
    assert ask(door) == 200
    answering(monkeypatch, OperationalError("gone"))
    assert (ask(door), ask(door, "swb_other_z")) == (200, 503)
    monkeypatch.setattr(gate, "REMEMBER_SECONDS", 0)
    assert ask(door) == 503


def test_a_token_that_was_revoked_is_forgotten(monkeypatch):
    door = TokenGate()
    answering(monkeypatch, GOOD)
    assert ask(door) == 200
    answering(monkeypatch, Verdict(problem="revoked"))
    assert ask(door) == 401
    answering(monkeypatch, OperationalError("gone"))
    assert ask(door) == 503


def test_what_is_remembered_is_bounded(monkeypatch):
    door = TokenGate()
    answering(monkeypatch, GOOD)
    for number in range(250):
        assert ask(door, f"swb_{number}_x") == 200
    assert len(door.good) <= gate.MAX_REMEMBERED
