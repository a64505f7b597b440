import pytest

from registry.base.errors import Conflict, Malformed, sentence


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("there is no such agent", "There is no such agent."),
        ("is it this?", "Is it this?"),
        ("done already.", "Done already."),
        ("front-desk has it", "Front-desk has it."),
        ("https://a.example.com does not answer", "https://a.example.com does not answer."),
        ("fleet.sales:Agent has no constructor", "fleet.sales:Agent has no constructor."),
        ("/sales is taken", "/sales is taken."),
        ("more_urls must be a list", "more_urls must be a list."),
        ("it's so: a, b", "It's so: a, b."),
        ("", "."),
    ],
)
def test_a_message_becomes_a_sentence(message, said):
    assert sentence(Conflict(message)) == sentence(message) == said


def test_a_name_at_the_beginning_stays_as_it_is():
    assert sentence(Conflict("bob exists already"), "bob") == "bob exists already."
    assert sentence(Conflict("bobby exists already"), "bob") == "Bobby exists already."


def test_an_error_has_a_summary_for_whoever_shows_its_problems():
    assert (
        Malformed("it has problems:\n  a: b", problems={"a": "b"}, summary="it has problems").summary
        == "it has problems"
    )
    assert Malformed("it is wrong").summary == "it is wrong"
