"""Hypothesis strategies: JSON, definitions that are right, and definitions that are nearly right."""

import copy
import datetime
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from agents.definition.templates import NAMESPACES

quick = settings(deadline=None, max_examples=60)

plain_text = st.text(max_size=12)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | plain_text
)


def trees(leaves: st.SearchStrategy[Any], keys: st.SearchStrategy[Any] = plain_text) -> st.SearchStrategy[Any]:
    """Lists and objects of these leaves, and now and then one that is nested very deeply."""
    flat = st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
    )
    return flat | st.builds(nested, st.sampled_from((90, 260, 1000)), flat)


def nested(levels: int, value: Any) -> Any:
    """A value inside so many objects."""
    for _ in range(levels):
        value = {"a": value}
    return value


# What a request's body can be: JSON's integers reach to 2**64 - 1 in our parser.
json_values = trees(scalars | st.integers(2**63, 2**64 - 1))
json_objects = st.dictionaries(plain_text, json_values, max_size=4)

# What YAML, or a careless caller, can hand over as well.
odd = (
    st.sampled_from([float("nan"), float("inf"), 2**64, -(2**70), (1, 2), b"x", {1, 2}, "\0", "\ud800", "${args.x}"])
    | st.dates()
    | st.just(datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC))
    | st.text(st.characters(), max_size=5)  # with half surrogate pairs
)
anything = trees(scalars | odd, plain_text | st.text(st.characters(), max_size=3) | st.integers() | st.none())

# --- definitions ------------------------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
literals = texts.filter(lambda text: "$" not in text)
names = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,8}", fullmatch=True)
stored_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(texts, stored_json, min_size=1, max_size=3)


def some(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with these words, in this order: the order of a definition's fields."""
    return st.fixed_dictionaries(required, optional=optional)


sections: st.SearchStrategy[dict[str, Any]] = st.deferred(
    lambda: some(
        {"body": texts},
        {"title": texts, "bullets": st.lists(texts, min_size=1, max_size=2), "numbered": st.just(True)}
        | {"subsections": st.lists(sections, min_size=1, max_size=2)},
    )
)
share = st.floats(0, 1) | st.just("${vars.share}")
model_words = {
    "model": texts,
    "temperature": share,
    "top_p": share,
    "max_tokens": st.integers(0, 4096),
    "llm_params": st.just({"reasoning": "low"}),
}
fillers = st.dictionaries(
    st.sampled_from(["en-US", "es", "default"]), st.lists(texts, min_size=1, max_size=2), min_size=1
)
steps = st.lists(
    some(
        {"name": texts.filter(lambda name: name != "next" and "\n" not in name), "text": texts},
        {
            "step_criteria": texts,
            "functions": st.just("none") | st.just(["next_step"]),
            "valid_steps": st.just(["next"]),
            "valid_contexts": st.just(["default"]),
            "end": st.just(True),
            "history": st.sampled_from(["keep", "default", "hide"]),
            "reset": some({"system_prompt": texts}, {"full_reset": st.just(True)}),
            "gather_info": some(
                {"questions": st.just([{"key": "size", "question": "Which size?", "type": "integer"}])},
                {"prompt": texts, "output_key": texts, "isolated": st.just(True)},
            ),
        },
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda step: step["name"],
)
contexts = st.fixed_dictionaries(
    {
        "default": some(
            {"steps": steps},
            {
                "valid_contexts": st.just(["default"]),
                "post_prompt": texts,
                "system_prompt": texts,
                "isolated": st.just(True),
                "prompt": texts,
                "enter_fillers": fillers,
                "exit_fillers": fillers,
            },
        )
    }
)
prompts = some({"text": texts}, {**model_words, "contexts": contexts}) | some(
    {"sections": st.lists(sections, min_size=1, max_size=3)}, {**model_words, "contexts": contexts}
)
languages = some(
    {"name": texts, "code": texts, "voice": texts},
    {
        "engine": texts,
        "model": texts,
        "emotion": st.just("auto"),
        "function_fillers": st.lists(texts, min_size=1, max_size=2),
        "params": st.just({"stability": 0.5, "similarity_boost": 0.7}),
    },
)
hints = texts | some({"hint": texts, "pattern": texts, "replace": texts}, {"ignore_case": st.just(True)})
verbs = st.sampled_from(
    [
        {"play": {"url": "say:Hello"}},
        {"play": {"urls": ["ring:us"], "auto_answer": False}},
        {"sleep": 500},
        {"set": {"a": "b"}},
        {"hangup": {}},
        {"connect": {"to": "+15551110000"}},
        {"transfer": {"dest": "https://example.com/next"}},
        {"record_call": {"format": "wav"}},
        {"unheard_of": {}},
        {"play": {"uri": "say:Hello"}},
    ]
)


@st.composite
def outcomes(draw: st.DrawFn, arguments: list[str]) -> dict[str, Any]:
    """What a function with these arguments may answer."""
    known = [f"${{args.{name}}}" for name in arguments] + ["${global_data.a.b}", "${meta_data.k}", "${call.from}"]
    replies = st.lists(literals | st.sampled_from(known), max_size=4).map("".join)
    outcome: dict[str, Any] = draw(
        some({"reply": replies}, {"actions": st.lists(objects, min_size=1, max_size=2), "transfer": texts})
    )
    return outcome


header_values = st.dictionaries(
    st.sampled_from(["Authorization", "X-Team"]),
    st.sampled_from(["Bearer env:AGENT_SECRET_CRM", "env:AGENT_SECRET_CRM"]),
    min_size=1,
)
function_words = {
    "wait_file": st.sampled_from(["/hold.mp3", "https://cdn.example.com/hold.mp3"]),
    "wait_file_loops": st.integers(1, 3),
    "fillers": fillers,
    "skip_fillers": st.just(True),
    "meta_data": objects,
    "meta_data_token": texts,
}


@st.composite
def functions(draw: st.DrawFn) -> dict[str, Any]:
    """A function as a definition keeps it, without what is default."""
    properties = draw(
        st.dictionaries(
            names,
            some({"type": st.sampled_from(("string", "integer", "boolean", "object"))}, {"description": texts}),
            min_size=1,
            max_size=3,
        )
    )
    arguments = list(properties)
    parameters: dict[str, Any] = {"type": "object", "properties": properties}
    if draw(st.booleans()):
        parameters["required"] = arguments[:1]
    handler = draw(outcomes(arguments))
    if draw(st.booleans()):
        values = draw(st.lists(texts, min_size=1, max_size=3, unique_by=lambda value: value.strip().casefold()))
        cases = {value: draw(outcomes(arguments)) for value in values}
        handler = {"match": {"argument": arguments[-1], "cases": cases, "default": handler}}
    kind = draw(st.integers(0, 5))
    if kind == 0:
        handler = {"webhook": draw(some({"url": st.just("https://crm.example.com/hook")}, {"headers": header_values}))}
    elif kind == 1:
        handler = {"webhook": {"url": "https://crm.example.com/hook", "direct": True}}
    elif kind == 2:
        handler = {
            "data_map": {"expressions": [{"string": "${args.a}", "pattern": ".*", "output": {"response": "ok"}}]}
        }
    function = {"description": draw(texts), "parameters": parameters, "handler": handler}
    if draw(st.booleans()):
        function["secure"] = False
    words: dict[str, Any] = draw(some({}, function_words))
    return {**function, **copy.deepcopy(words)}


definitions = some(
    {"prompt": prompts},
    {
        "post_prompt": some({"text": texts}, model_words),
        "languages": st.lists(languages, min_size=1, max_size=2),
        "hints": st.lists(hints, min_size=1, max_size=3),
        "pronounce": st.lists(some({"replace": texts, "with": texts}, {"ignore_case": st.just(True)}), min_size=1),
        "params": objects,
        "global_data": objects,
        "native_functions": st.just(["check_time"]),
        "includes": st.just([{"url": "https://example.com/swaig", "functions": ["f"]}]),
        "mcp_servers": st.just(
            [{"url": "https://mcp.example.com", "headers": {"Authorization": "env:AGENT_SECRET_MCP"}}]
        ),
        "internal_fillers": st.dictionaries(st.sampled_from(["next_step", "hangup"]), fillers, min_size=1),
        "functions": st.dictionaries(names, functions(), min_size=1, max_size=3),
        "debug_events": st.integers(1, 2),
        "mcp": st.just(True),
        "answer": st.just({"max_duration": 60}),
        "record_call": st.just(True) | st.just({"format": "mp3"}),
        "post_answer": st.lists(verbs, min_size=1, max_size=2),
        "post_ai": st.lists(verbs, min_size=1, max_size=2),
        "sections": st.dictionaries(texts.filter(lambda name: name != "main"), st.lists(verbs, max_size=2), min_size=1),
    },
)


@st.composite
def nearly_definitions(draw: st.DrawFn) -> Any:
    """A definition in which one value, somewhere, has become anything at all."""
    definition = copy.deepcopy(draw(definitions))  # parts of it are shared between draws
    place: Any = definition
    while True:
        key = draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
        inside = place[key]
        if not inside or not isinstance(inside, (dict, list)) or draw(st.integers(0, 3)) == 0:
            break
        place = inside
    if isinstance(place, dict) and draw(st.integers(0, 4)) == 0:
        place[draw(plain_text | st.sampled_from(("match", "webhook", "$ref", "$schema", "type")))] = draw(anything)
    else:
        place[key] = draw(anything)
    return definition


# --- templates --------------------------------------------------------------------------------------------------------

paths = st.lists(st.from_regex(r"[A-Za-z0-9_-]{1,4}", fullmatch=True), min_size=1, max_size=3).map(tuple)
placeholders = st.tuples(st.sampled_from(NAMESPACES), paths).map(lambda found: (found[0], *found[1]))
template_pieces = st.lists(literals | placeholders, max_size=6)
