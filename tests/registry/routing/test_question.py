"""What somebody asks the routing: names, paths and URLs, without the secrets in them."""

import pytest

from registry.routing.question import question_of

BASE = "https://voice.example.com/base"


@pytest.mark.parametrize(
    ("typed", "path", "dialled"),
    [
        ("help-desk", "/sip", "help-desk"),
        (" sip:Help-Desk@example.com ", "/sip", "sip:Help-Desk@example.com"),
        ("/sales/swaig", "/sales/swaig", None),
        ("/sales?call_id=c1", "/sales", None),
        ("https://voice.example.com/base/sales", "/sales", None),
        ("https://voice.example.com/sales?x=1", "/sales", None),
        ("https://voice.example.com/baseline", "/baseline", None),
        ("https://voice.example.com/base", "/", None),
        ("HTTPS://voice.example.com", "/", None),
    ],
)
def test_what_is_asked(typed, path, dialled):
    question = question_of(typed, BASE, "c1")
    assert (question.facts.path, question.facts.dialled, question.facts.call_ids) == (path, dialled, ("c1",))
    assert (question.asked, question.withheld, question.is_name) == (typed.strip(), False, dialled is not None)


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("https://u:hidden@voice.example.com/base/sales", "https://voice.example.com/base/sales"),
        ("https://voice.example.com/sales/swaig?__token=hidden", "https://voice.example.com/sales/swaig"),
        ("/sales/swaig?a=1&__token=hidden", "/sales/swaig"),
    ],
)
def test_secrets_are_withheld(typed, shown):
    question = question_of(typed, BASE)
    assert (question.asked, question.withheld) == (shown, True)
    assert "hidden" not in str(question)


def test_what_is_no_url_leads_nowhere():
    assert question_of("http://[", BASE).facts.path == "http://["
