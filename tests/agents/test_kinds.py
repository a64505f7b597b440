"""The kinds of agents: each answers the same questions, and a new one is an entry in the mapping."""

import re
from pathlib import Path

import pytest

import agents
from agents.errors import InvalidDefinition
from agents.kinds import KINDS, USUAL, keys, kind_named, kind_of, kind_of_source, read_source
from agents.runners import ElsewhereVersion, Making
from agents.tokens import TokenKey
from tests.agents.building import PROMPT
from tests.agents.echo import ECHO, EchoKind, echo

__all__ = ["echo"]
MAKING = Making("sales", "/sales", 3, 30, TokenKey("master", "sales"))
VALUES = {
    "stored": {"prompt": PROMPT},
    "python": {"python": {"class": "fleet.sales:Sales", "code": "digest", "found": {"functions": {"price": {}}}}},
    "remote": {"remote": {"url": "https://host.example.com/sales", "found": {"functions": {"price": {}}}}},
    "echo": {"echo": {"says": "hello"}},
}
# What is of one kind only, and the migrations.
THEIR_OWN = {"python", "remote", "stored", "adopting", "management", "migrations"}
every_kind = pytest.mark.parametrize("word", VALUES)


def test_each_kind_is_an_entry_under_its_own_word():
    assert list(KINDS) == ["stored", "python", "remote"]
    assert [kind.word for kind in KINDS.values()] == list(KINDS)
    assert keys() == ["definition", "python", "remote"]
    assert kind_named("python") is KINDS["python"]


def test_a_kind_that_only_a_newer_version_of_ours_knows_is_taken_for_the_usual_one():
    assert kind_named("unheard-of") is KINDS[USUAL]


@every_kind
def test_the_kind_of_a_version_is_told_by_its_json_and_by_what_is_read_of_it(echo, word):
    kind = kind_of(VALUES[word])
    assert kind is KINDS[word]
    assert kind_of_source(read_source(VALUES[word])) is kind


@pytest.mark.parametrize("value", [None, [], "text", {}, {"unheard-of": {}}, {"python": {}, "remote": {}}])
def test_what_no_kind_has_for_its_own_is_read_as_a_definition(value):
    assert kind_of(value) is KINDS["stored"]
    with pytest.raises(InvalidDefinition):
        read_source(value)


@every_kind
def test_what_stands_under_its_key_becomes_the_version_again(echo, word):
    kind, value = KINDS[word], VALUES[word]
    keyed = kind.keyed(value)
    assert list(keyed) == [kind.key]
    assert kind.unkeyed(keyed[kind.key]) == value
    assert read_source(value).stored() == value


@every_kind
def test_what_was_found_is_not_what_people_wrote(echo, word):
    written = KINDS[word].as_written(VALUES[word])
    assert "found" not in str(written)
    assert "digest" not in str(written)
    assert read_source(VALUES[word]).given() == written


@every_kind
def test_functions_have_names_before_anything_is_checked_and_more_afterwards(echo, word):
    kind = KINDS[word]
    assert list(kind.functions(read_source(VALUES[word]))) == kind.function_names(VALUES[word])


@every_kind
@pytest.mark.parametrize("inner", [None, [], "text", 7])
def test_what_somebody_broke_by_sql_can_still_be_looked_at(echo, word, inner):
    kind = KINDS[word]
    value = kind.unkeyed(inner)
    assert kind.offers_mcp(value) is False
    assert kind.function_names(value) in ([], ["shout"])
    assert kind.digest(value) == ""
    assert kind.comparable(value) in (inner, {"kind": word})
    assert kind.as_written(value) == value


@every_kind
def test_a_version_that_answers_says_of_which_kind_it_is(echo, word):
    kind = KINDS[word]
    version = kind.version(kind.read(VALUES[word]), MAKING, {}, {})
    assert (version.kind, version.number) == (word, 3)
    assert version.by_mark == kind.by_mark
    assert isinstance(version, ElsewhereVersion) is not kind.here
    if not kind.here:
        with pytest.raises(NotImplementedError, match=word):
            kind.local(kind.read(VALUES[word]), MAKING, {})


def test_an_engine_makes_the_versions_of_its_kind():
    made = object()

    class Engine:
        def version(self, source, making):
            return made

    python = KINDS["python"]
    assert python.version(python.read(VALUES["python"]), MAKING, {"python": Engine()}, {}) is made
    remote = KINDS["remote"]
    assert remote.version(remote.read(VALUES["remote"]), MAKING, {"python": Engine()}, {}) is not made


def test_problems_are_named_by_the_key(echo: EchoKind):
    with pytest.raises(InvalidDefinition) as refused:
        read_source({"echo": {"says": "", "louder": 1}})
    assert refused.value.problems == {
        "echo.says": "must not be empty",
        "echo.louder": "is not a word of a definition",
    }


def test_nobody_but_the_kinds_themselves_asks_which_kind_it_is():
    """92 branches on three kinds were in 36 files: a word compared, sources and versions told by their class."""
    house = Path(agents.__file__).parents[1]
    words = "|".join(KINDS)
    branch = re.compile(
        r"isinstance\([^)]*(AgentDefinition|(Python|Remote|Stored)(Source|Version))"
        rf"|kind(\.word)? *(==|!=) *[\"\']({words})"
        rf"|[\"\']({words})[\"\']"
    )
    found = [
        f"{path.relative_to(house)}: {line.strip()}"
        for folder in ("agents", "registry", "dashboard", "templates")
        for path in sorted((house / folder).rglob("*.*"))
        if path.suffix in (".py", ".html") and not set(path.relative_to(house).parts) & THEIR_OWN
        for line in path.read_text().splitlines()
        if branch.search(line)
    ]
    assert found == ['agents/definition/agent.py: KIND: ClassVar[str] = "stored"']


def test_the_toy_is_in_no_mapping_when_its_test_is_over():
    assert ECHO.word not in KINDS
