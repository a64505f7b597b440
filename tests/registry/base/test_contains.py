import pytest
from django.db import connection

from agents.models import Agent
from registry.base.sql import compose

pytestmark = pytest.mark.django_db


@pytest.fixture
def titled():
    for number, title in enumerate(["50% off", "50 off", "a_b", "axb", r"back\slash", "Straße", "STRASSE", "İstanbul"]):
        Agent.objects.create(name=f"agent-{number}", title=title)


@pytest.mark.parametrize(
    "text", ["50%", "%", "_", "a_b", "\\", "straße", "STRASSE", "ß", "i", "istanbul", "OFF", "'", '"', "{}", "%s", ""]
)
def test_the_lookup_finds_what_ilike_finds(titled, text):
    pattern = "%" + text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"
    with connection.cursor() as cursor:
        cursor.execute("SELECT title FROM agents_agent WHERE title ILIKE %s", [pattern])
        expected = {title for (title,) in cursor.fetchall()}
    assert set(Agent.objects.filter(title__has_text=text).values_list("title", flat=True)) == expected
    assert expected or text in ("'", '"', "{}", "%s")


def test_the_planner_sees_the_operator_itself():
    plan = Agent.objects.filter(title__has_text="50%").explain()
    assert r"~~* '%50\%%'" in plan, "no UPPER() around the column, which no index of it could serve"


def test_pieces_are_put_into_a_statement_and_parameters_stay():
    statement = compose("SELECT {columns} FROM t WHERE {condition} AND a = %(a)s", columns="a, b", condition="b = '{}'")
    assert statement == "SELECT a, b FROM t WHERE b = '{}' AND a = %(a)s"
