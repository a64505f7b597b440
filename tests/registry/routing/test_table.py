import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.wire import SUB_PATHS
from registry.routing.table import Credentials, RoutingTable, Step
from tests.registry.building import build_agent, build_route, build_table

TABLE = build_table(
    {
        "/mod": build_agent("mod", number=1),
        "/mod/sub": build_agent("sub", number=2),
        "/a": build_agent("a", number=3),
        "/a/b": build_agent("b", number=4),
    },
    {"mod": "/mod", "sub": "/mod/sub"},
    default="/a",
)
WITH_ROOT = build_table({"/": build_agent("root", number=1), "/mod": build_agent("mod", number=2)})


def found(table: RoutingTable, path: str) -> tuple[str, str] | None:
    entry = table.find(path)
    return (entry[0].path, entry[1]) if entry else None


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/mod", ("/mod", "")),
        ("/mod/", ("/mod", "")),
        ("/mod/swaig", ("/mod", "swaig")),
        ("/mod/swaig/", ("/mod", "swaig")),
        ("/mod/sub", ("/mod/sub", "")),
        ("/mod/sub/swaig", ("/mod/sub", "swaig")),
        ("/a/b", ("/a/b", "")),
        ("/a/b/debug/", ("/a/b", "debug")),
        ("/mod//debug", ("/mod", "debug")),
        ("/mod//debug//", ("/mod", "debug")),
        ("/mod//", ("/mod", "")),
    ],
)
def test_a_path_belongs_to_its_route_however_many_are_registered_above_it(path, answer):
    assert found(TABLE, path) == answer


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "//mod",
        "//mod/swaig",
        "/Mod",
        "/mod/other",
        "/mod/swaig/x",
        "/modx",
        "/mod/swaig/swaig",
        "/mod//sub",
        "/x",
        "mod",
        "/a/b/c",
        "/mod/SWAIG",
        "/mod/ ",
        "/mod/sub2",
    ],
)
def test_a_path_that_is_not_exactly_a_route_is_nobodys(path):
    assert TABLE.find(path) is None


def test_the_root_agent_has_its_sub_paths_and_takes_no_other_path():
    assert found(WITH_ROOT, "/") == ("/", "")
    assert found(WITH_ROOT, "/swaig") == ("/", "swaig")
    assert found(WITH_ROOT, "/swaig/") == ("/", "swaig")
    assert found(WITH_ROOT, "/mod/swaig") == ("/mod", "swaig")
    assert found(WITH_ROOT, "/other") is None
    assert found(WITH_ROOT, "/other/swaig") is None
    assert found(WITH_ROOT, "//mod") is None


@settings(deadline=None, max_examples=300)
@given(
    st.one_of(
        st.text(st.characters(exclude_categories=()), max_size=20),
        st.lists(st.sampled_from(["", "mod", "sub", "a", "b", "swaig", "debug", "x"]), max_size=6).map("/".join),
    ).map("/{}".format)
)
def test_finding_never_raises_and_only_gives_what_the_path_says(path):
    for table in (TABLE, WITH_ROOT):
        if entry := table.find(path):
            route, sub_path = entry
            assert path.startswith(route.path)
            assert [part for part in path.split("/") if part] == [
                part for part in f"{route.prefix}/{sub_path}".split("/") if part
            ]
            assert sub_path in SUB_PATHS | {""}


def test_health_names_every_route_in_the_order_of_registration():
    assert orjson.loads(TABLE.health) == {"status": "ok", "agents": 4, "routes": ["/mod", "/mod/sub", "/a", "/a/b"]}
    assert orjson.loads(WITH_ROOT.health)["routes"] == ["/", "/mod"]
    assert orjson.loads(RoutingTable().health) == {"status": "ok", "agents": 0, "routes": []}


def test_a_change_of_one_agent_leaves_the_others_alone():
    agent = build_agent("mod", number=1)
    entry = build_route("/new", agent)
    table = TABLE.with_changes(9, {1}, [(entry, ["mod", "neu"], False)])
    assert set(table.routes) == {"/new", "/mod/sub", "/a", "/a/b"}
    assert {name: route.path for name, route in table.sip.items()} == {"mod": "/new", "neu": "/new", "sub": "/mod/sub"}
    assert table.routes["/a"] is TABLE.routes["/a"]
    assert table.agents["mod"] is entry
    assert table.default is TABLE.default
    assert (table.revision, TABLE.revision) == (9, 1)
    assert set(TABLE.routes) == {"/mod", "/mod/sub", "/a", "/a/b"}, "whoever reads the old table keeps what it got"


def test_an_agent_that_is_gone_takes_its_names_and_the_default_with_it():
    table = TABLE.with_changes(2, {3, 1}, [])
    assert set(table.routes) == {"/mod/sub", "/a/b"}
    assert set(table.sip) == {"sub"}
    assert set(table.agents) == {"sub", "b"}
    assert table.default is None


def test_transfers_go_to_an_agents_first_route():
    agent = build_agent("mod", number=1)
    first, second = build_route("/one", agent, 1), build_route("/two", agent, 2)
    table = RoutingTable().with_changes(1, set(), [(first, [], False), (second, [], True)])
    assert table.agents["mod"] is first
    assert table.default is second


def test_a_table_cannot_be_changed():
    with pytest.raises(TypeError):
        TABLE.routes["/x"] = TABLE.routes["/a"]
    with pytest.raises(AttributeError):
        TABLE.revision = 5


def test_credentials_are_escaped_in_urls():
    credentials = Credentials.of("ü ser", "p@ss/w:rd#1")
    assert credentials.userinfo == "%C3%BC%20ser:p%40ss%2Fw%3Ard%231@"


def test_a_step_keeps_its_words_in_the_log_and_a_count_only_if_it_has_one():
    plain = Step("sip", "refills leads to /pharmacy", path="/pharmacy", name="refills")
    assert orjson.loads(orjson.dumps(plain.json)) == {"rule": "sip", "detail": "refills leads to /pharmacy", "ok": True}
    counted = Step("folded", "3 more", ok=False, count=3)
    assert orjson.loads(orjson.dumps(counted.json)) == {"rule": "folded", "detail": "3 more", "ok": False, "count": 3}
