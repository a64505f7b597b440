import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.tokens import FOR_DEFAULTS, FOR_POST_PROMPT, for_function
from registry.routing.decide import decide
from registry.routing.facts import Facts
from tests.registry.building import build_agent, build_table, fleet_table

NOW = 1_800_000_000.0
LATER = int(NOW) + 60
FIRST = {"prompt": {"text": "one"}, "functions": {"go": {"description": "Go", "handler": {"reply": "one"}}}}
SECOND = {**FIRST, "prompt": {"text": "two"}}


def two_versions(**options):
    """An agent whose second version is live, at /calls."""
    agent = build_agent("calls", versions={1: FIRST, 2: SECOND}, live=2, **options)
    return agent, build_table({"/calls": agent})


def token(agent, purpose, *, version=1, call_id="C1", expires=LATER):
    return agent.key.mint(version, expires, [purpose], call_id)[0].decode()


def rules(decision):
    return [(step.rule, step.ok) for step in decision.steps]


def test_a_route_is_answered_by_the_live_version():
    decision = decide(fleet_table(), Facts("/pharmacy"), NOW)
    assert (decision.outcome, decision.agent.name, decision.version.number) == ("agent", "pharmacy", 1)
    assert rules(decision) == [("route", True), ("version", True)]
    assert decision.steps[0].detail == "/pharmacy belongs to pharmacy"


def test_a_path_that_nobody_has_is_not_found_and_the_step_says_so():
    decision = decide(fleet_table(), Facts("/nobody"), NOW)
    assert (decision.outcome, decision.agent, decision.version) == ("not_found", None, None)
    assert rules(decision) == [("route", False)]
    assert "/nobody" in decision.steps[0].detail


@pytest.mark.parametrize(
    ("facts", "about"),
    [
        (Facts("/pharmacy"), [("route", "/pharmacy", ""), ("version", "", "")]),
        (Facts("/not there"), [("route", "/not there", "")]),
        (Facts("/" + "x" * 300), [("route", "/" + "x" * 199, "")]),
        (Facts("/sip", dialled="sip:Refills@h"), [("sip", "/pharmacy", "refills"), ("route", "/pharmacy", "")]),
        (Facts("/pharmacy/sip", dialled="ghost"), [("route", "/pharmacy", ""), ("sip", "", "ghost")]),
        (Facts("/sip", dialled="ghost"), [("sip", "", "ghost"), ("default", "", "")]),
    ],
)
def test_a_step_says_what_it_is_about_without_its_sentence(facts, about):
    steps = decide(fleet_table(), facts, NOW).steps
    assert [(step.rule, step.path, step.name) for step in steps][: len(about)] == about


def test_the_step_to_the_default_route_has_its_path():
    table = build_table({"/front": build_agent("front")}, default="/front")
    assert [step.path for step in decide(table, Facts("/sip", dialled="ghost"), NOW).steps][:2] == ["", "/front"]


def test_no_agent_offers_mcp():
    decision = decide(fleet_table(), Facts("/pharmacy/mcp"), NOW)
    assert decision.outcome == "not_found"
    assert decision.agent.name == "pharmacy"


@pytest.mark.parametrize("dialled", ["sip:Refills@example.com", "refills", "<SIPS:REFILLS@h;x=y>"])
def test_central_sip_is_answered_by_whoever_has_the_name(dialled):
    decision = decide(fleet_table(), Facts("/sip", dialled=dialled), NOW)
    assert (decision.outcome, decision.agent.name, decision.sip_user) == ("agent", "pharmacy", "refills")
    assert (decision.sub_path, decision.fallback) == ("", False)
    assert rules(decision) == [("sip", True), ("route", True), ("version", True)]


@pytest.mark.parametrize("dialled", ["sip:nobody@h", "", None, 5, ["refills"], {"to": "refills"}, True, "\ud800"])
def test_central_sip_without_a_match_is_not_found_unless_there_is_a_default_route(dialled):
    decision = decide(fleet_table(), Facts("/sip", dialled=dialled), NOW)
    assert (decision.outcome, decision.agent) == ("not_found", None)
    assert rules(decision) == [("sip", False), ("default", False)]
    table = build_table({"/info": build_agent("info-line")}, default="/info")
    decision = decide(table, Facts("/sip", dialled=dialled), NOW)
    assert (decision.outcome, decision.agent.name, decision.fallback) == ("agent", "info-line", True)
    assert rules(decision) == [("sip", False), ("default", True), ("route", True), ("version", True)]


def test_an_agents_own_sip_redirects_to_whoever_has_the_name_itself_too():
    for asked in ("/info/sip", "/pharmacy/sip", "/clinic/booking/sip/"):
        decision = decide(fleet_table(), Facts(asked, dialled="sip:refills@h"), NOW)
        assert (decision.outcome, decision.route.path) == ("redirect", "/pharmacy")


def test_an_agents_own_sip_serves_that_agent_as_a_fallback_never_silently():
    decision = decide(fleet_table(), Facts("/info/sip", dialled="sip:nobody@h"), NOW)
    assert (decision.outcome, decision.agent.name, decision.fallback) == ("agent", "info-line", True)
    assert ("sip", False) in rules(decision)
    assert ("fallback", True) in rules(decision)


@pytest.mark.parametrize("facts", [Facts("/info/sip"), Facts("/info/sip", "GET", dialled="refills")])
def test_an_agents_own_sip_without_a_dialled_name_is_its_document(facts):
    decision = decide(fleet_table(), facts, NOW)
    assert (decision.outcome, decision.agent.name, decision.fallback) == ("agent", "info-line", False)


@pytest.mark.parametrize("sub_path", ["", "debug", "sip", "swaig", "post_prompt"])
def test_a_paused_agent_answers_new_calls_with_its_pause_message(sub_path):
    table = build_table({"/calls": build_agent("calls", paused="Back soon.")})
    decision = decide(table, Facts(f"/calls/{sub_path}", "GET"), NOW)
    assert decision.outcome == "paused"
    assert ("state", True) in rules(decision)


@pytest.mark.parametrize("sub_path", ["swaig", "post_prompt", "check_for_input", "debug_events"])
def test_a_paused_agent_goes_on_with_its_running_calls(sub_path):
    table = build_table({"/calls": build_agent("calls", paused="Back soon.")})
    assert decide(table, Facts(f"/calls/{sub_path}"), NOW).outcome == "agent"


@pytest.mark.parametrize(
    "facts",
    [
        Facts("/calls"), Facts("/calls", "GET"), Facts("/calls/debug"),
        Facts("/calls/sip", dialled="sip:nobody@h"), Facts("/calls/sip", "GET"),
        Facts("/sip", dialled="calls"), Facts("/sip", dialled="nobody"),
    ],
)  # fmt: skip
def test_a_pause_is_over_at_its_moment_and_a_step_says_so(facts):
    agent = build_agent("calls", paused="Back soon.", paused_until=NOW)
    table = build_table({"/calls": agent}, {"calls": "/calls"}, default="/calls")
    before = decide(table, facts, NOW - 0.001)
    assert (before.outcome, before.steps[-1].detail) == ("paused", "calls is paused")
    after = decide(table, facts, NOW)
    assert (after.outcome, after.version, after.fallback) == ("agent", agent.live, before.fallback)
    assert [(step.rule, step.detail) for step in after.steps[-2:]] == [
        ("state", "the pause of calls is over"), ("version", "version 1 is live"),
    ]  # fmt: skip
    assert before.steps[:-1] == after.steps[:-2]


def test_the_pause_of_a_broken_agent_ends_too_and_without_an_end_never():
    broken = build_table({"/calls": build_agent("calls", live=None, paused="Back soon.", paused_until=NOW)})
    assert decide(broken, Facts("/calls"), NOW).outcome == "broken"
    table = build_table({"/calls": build_agent("calls", paused="Back soon.")})
    assert decide(table, Facts("/calls"), 1e300).outcome == "paused"


@pytest.mark.parametrize("facts", [Facts("/calls"), Facts("/calls/swaig", function="go"), Facts("/calls/post_prompt")])
def test_an_agent_without_a_version_is_broken_and_says_why(facts):
    decision = decide(build_table({"/calls": build_agent("calls", live=None)}), facts, NOW)
    assert (decision.outcome, decision.version) == ("broken", None)
    assert not decision.steps[-1].ok


@pytest.mark.parametrize("purpose", [for_function("go"), FOR_DEFAULTS])
def test_a_running_call_stays_on_the_version_that_its_token_names(purpose):
    agent, table = two_versions()
    facts = Facts("/calls/swaig", function="go", token=token(agent, purpose), call_ids=("other", "C1"))
    decision = decide(table, facts, NOW)
    assert (decision.version.number, decision.claim) == (1, purpose)
    assert "version 1" in decision.steps[-1].detail
    assert decide(table, facts._replace(token=token(agent, purpose, version=2)), NOW).version.number == 2


def test_a_post_prompt_stays_on_the_version_of_its_call():
    agent, table = two_versions(paused="Back soon.")
    facts = Facts("/calls/post_prompt", token=token(agent, FOR_POST_PROMPT), call_ids=("C1",))
    decision = decide(table, facts, NOW)
    assert (decision.outcome, decision.version.number, decision.claim) == ("agent", 1, FOR_POST_PROMPT)


def test_a_version_that_is_gone_gives_way_to_the_live_one_and_proves_nothing():
    agent, table = two_versions()
    facts = Facts("/calls/swaig", function="go", token=token(agent, for_function("go"), version=7), call_ids=("C1",))
    decision = decide(table, facts, NOW)
    assert (decision.version.number, decision.claim) == (2, None)
    assert rules(decision)[-1] == ("version", False)


def test_a_token_for_something_else_proves_nothing():
    agent, table = two_versions()
    other = build_agent("other")
    good = Facts("/calls/swaig", function="go", token=token(agent, for_function("go")), call_ids=("C1",))
    assert decide(table, good, NOW).claim is not None
    for bad in (
        good._replace(function="stop"),
        good._replace(function=None),
        good._replace(call_ids=("C2",)),
        good._replace(call_ids=()),
        good._replace(path="/calls/post_prompt"),
        good._replace(token=token(agent, for_function("go"), expires=int(NOW) - 1)),
        good._replace(token=token(other, for_function("go"))),
        good._replace(token=token(agent, FOR_POST_PROMPT)),
        good._replace(token=good.token[:-1] + ("0" if good.token[-1] != "0" else "1")),
        good._replace(token=good.token + "00"),
        good._replace(token=" " * len(good.token)),
        good._replace(token="é" * len(good.token)),
    ):
        decision = decide(table, bad, NOW)
        assert (decision.claim, decision.version.number) == (None, 2)


SURROGATES = st.text(st.characters(exclude_categories=()), max_size=12)
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | SURROGATES
    | st.sampled_from(["go", "sip:refills@h", "find_slot"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SURROGATES, inner, max_size=3),
    max_leaves=4,
)
PATHS = st.one_of(
    SURROGATES,
    st.builds(
        "{}{}".format,
        st.sampled_from(["/sip", "/info", "/pharmacy", "/clinic/booking", "/broken", "/paused", "/", "/nobody"]),
        st.sampled_from(
            ["", "/", "/sip", "/swaig", "/swaig/", "//swaig", "/post_prompt", "/debug", "/mcp", "/debug_events"]
        ),
    ),
)
TOKENS = (
    SURROGATES
    | st.binary(min_size=24, max_size=24).map(bytes.hex)
    | st.text("0123456789abcdef ", min_size=48, max_size=48)
)
EVERYTHING = build_table(
    {
        "/info": build_agent("info-line", number=1),
        "/pharmacy": build_agent("pharmacy", number=2),
        "/clinic/booking": build_agent("booking-desk", number=3),
        "/broken": build_agent("broken", number=4, live=None),
        "/paused": build_agent("paused", number=5, paused="Later."),
    },
    {"refills": "/pharmacy", "broken": "/broken", "paused": "/paused"},
)


@settings(deadline=None, max_examples=400)
@given(
    st.builds(
        lambda *told: Facts(*told),
        PATHS,
        st.sampled_from(["GET", "POST"]),
        ANYTHING,
        ANYTHING,
        TOKENS,
        st.lists(SURROGATES, max_size=2).map(tuple),
        st.text(),
    ),
    st.floats(0, 2**32),
    st.booleans(),
)
def test_any_request_is_decided_for_an_agent_or_nobody_and_always_alike(facts, now, with_default):
    table = EVERYTHING
    if with_default:
        table = table.with_changes(2, {1}, [(table.routes["/info"], [], True)])
    decision = decide(table, facts, now)
    assert decision.steps
    if decision.outcome == "not_found":
        assert decision.version is None
        assert not all(step.ok for step in decision.steps)
    else:
        assert decision.outcome in ("agent", "paused", "redirect", "broken")
        assert decision.agent is not None
        assert (decision.version is not None) == (decision.outcome in ("agent", "paused"))
    assert decide(table, facts, now) == decision


NUMBERS = {"+15551234567": "/desk", "442071234567": "/front"}


def numbers_table():
    return build_table({"/desk": build_agent("desk"), "/front": build_agent("front", number=2)}, NUMBERS)


def test_a_quoted_parameter_behind_the_address_answers_nobodys_call():
    table = build_table({"/desk": build_agent("desk"), "/help": build_agent("help", number=2)},
                        {"+15551234567": "/desk", "help-desk": "/help"})  # fmt: skip
    dialled = '"a" <sip:+15551234567@h>;x="<sip:help-desk@h>"'
    assert decide(table, Facts("/sip", dialled=dialled), NOW).agent.name == "desk"


@pytest.mark.parametrize(
    ("dialled", "near", "path"),
    [
        ("sip:15551234567@h", "+15551234567", "/desk"),
        ("sip:1-555-123-4567@h", "+15551234567", "/desk"),
        ("tel:0015551234567", "+15551234567", "/desk"),
        ("tel:5551234567", "+15551234567", "/desk"),
        ("sip:+44 20 7123 4567@h", "442071234567", "/front"),
    ],
)
def test_a_number_whose_other_form_is_mapped_is_a_near_miss_that_the_step_names(dialled, near, path):
    for asked in ("/sip", "/front/sip"):
        decision = decide(numbers_table(), Facts(asked, dialled=dialled), NOW)
        step = next(step for step in decision.steps if step.rule == "sip")
        assert decision.outcome != "redirect"
        assert (step.ok, step.path) == (False, "")
        assert step.detail.endswith(f"; {near}, which leads to {path}, may be the same number")


@pytest.mark.parametrize("dialled", ["sip:15551234568@h", "help-desk", "+", ""])
def test_a_name_that_no_other_form_of_is_mapped_is_no_near_miss(dialled):
    decision = decide(numbers_table(), Facts("/sip", dialled=dialled), NOW)
    assert "may be" not in decision.steps[0].detail
