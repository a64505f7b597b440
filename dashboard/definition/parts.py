"""The parts of a definition's form, in the order in which somebody writes an agent."""

from collections.abc import Sequence
from typing import Any

from agents.definition import AgentDefinition, Language, PostPrompt, Prompt, Section
from agents.definition.speech import Pronunciation
from dashboard.definition.function import functions_part
from dashboard.definition.layout import Block, Button, Field, Maker, item_buttons
from dashboard.definition.tree import MISSING, Path, get, written

MAX_ITEMS = 100  # of a list that have fields of their own; longer ones are YAML: browsers and people get lost
KNOBS = (
    "model",
    "temperature",
    "top_p",
    "confidence",
    "presence_penalty",
    "frequency_penalty",
    "max_tokens",
    "barge_confidence",
)
SHOWN = (
    "prompt",
    "post_prompt",
    "post_prompt_url",
    "languages",
    "multilingual",
    "hints",
    "pronounce",
    "params",
    "global_data",
    "native_functions",
    "includes",
    "mcp_servers",
    "internal_fillers",
    "functions",
    "web_hook_url",
    "safe_line",
    "debug_events",
    "mcp",
    "pre_answer",
    "auto_answer",
    "answer",
    "record_call",
    "post_answer",
    "post_ai",
    "sections",
)


def parts_of(maker: Maker) -> list[Block]:
    """The whole form."""
    found = [
        prompt_part(maker),
        languages_part(maker),
        hearing_part(maker),
        functions_part(maker),
        post_prompt_part(maker),
        call_part(maker),
        model_part(maker),
        data_part(maker),
        contexts_part(maker),
        elsewhere_part(maker),
    ]
    if isinstance(maker.tree, dict) and (others := [key for key in maker.tree if key not in SHOWN]):
        rest = maker.rest((), SHOWN, "As YAML")
        found.append(Block("part", "", "Not words of a definition", ", ".join(others), children=[rest]))
    found[0].open = True
    return found


def counted(number: int, word: str) -> str:
    """1 section, 2 sections; "none"."""
    return f"{number} {word}{'' if number == 1 else 's'}" if number else "none"


def words_of(value: Any) -> int:
    """How many words all the texts inside a value have."""
    if isinstance(value, str):
        return len(value.split())
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(map(words_of, items))


def keys_of(value: Any) -> str:
    """The first keys of an object, for a summary."""
    if not isinstance(value, dict) or not value:
        return "none"
    names = list(map(str, value))
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def fits(maker: Maker, path: Path) -> bool:
    """Whether a list can have fields of its own."""
    found = get(maker.tree, path)
    return found is MISSING or (
        isinstance(found, list) and len(found) <= MAX_ITEMS and all(isinstance(item, dict) for item in found)
    )


def prompt_part(maker: Maker) -> Block:
    """What the model is told."""
    prompt = get(maker.tree, ("prompt",))
    sections = get(maker.tree, ("prompt", "sections"))
    count = len(sections) if isinstance(sections, list) else 0
    words = words_of({key: prompt.get(key) for key in ("text", "sections")} if isinstance(prompt, dict) else prompt)
    facts = f"{counted(count, 'section')}, {counted(words, 'word')}" if count else counted(words, "word")
    part = Block("part", "prompt", "Prompt", facts)
    if prompt is not MISSING and not isinstance(prompt, dict):
        part.children = [maker.field("yaml", ("prompt",), "Prompt", AgentDefinition)]
        return part
    if "text" in (prompt or {}) if isinstance(prompt, dict) else True:
        part.children.append(maker.field("text", ("prompt", "text"), "Text", Prompt))
    if sections is not MISSING:
        part.children += section_blocks(maker, ("prompt", "sections"))
        part.buttons.append(Button(f"add:{written(['prompt', 'sections'])}", "Add a section", "plus"))
    elif isinstance(prompt, dict):
        part.buttons.append(Button(f"sections:{written(['prompt'])}", "Write it in sections", "list"))
    if not part.children:
        part.children.append(maker.field("text", ("prompt", "text"), "Text", Prompt))
    return part


def section_blocks(maker: Maker, path: Path) -> list[Field | Block]:
    """Sections with title, body and points; what they have besides as YAML."""
    if not fits(maker, path):
        return [maker.field("yaml", path, "Sections, as YAML", Prompt)]
    items = maker.items(path)
    found: list[Field | Block] = []
    for place, item in enumerate(items):
        title = get(maker.tree, (*item, "title"))
        name = title if isinstance(title, str) and title else f"Section {place + 1}"
        block = Block("item", ".".join(map(str, item)), name, buttons=item_buttons(item, name, place, len(items)))
        block.children = [
            maker.field("line", (*item, "title"), "Title", Section),
            maker.field("text", (*item, "body"), "Body", Section),
            maker.field("lines", (*item, "bullets"), "Points, one a line", Section),
            more(maker, item, ("title", "body", "bullets"), "subsections, numbered, numberedBullets"),
        ]
        found.append(block)
    return found


def more(maker: Maker, path: Path, keys: Sequence[str], words: str) -> Block:
    """All that something has besides, folded away if that is nothing."""
    rest = maker.rest(path, keys, "As YAML", help=f"Besides what is above: {words}.")
    return Block("more", "", "More", open=bool(rest.value), children=[rest])


def languages_part(maker: Maker) -> Block:
    """Languages and voices."""
    path = ("languages",)
    items = maker.items(path)
    names = [get(maker.tree, (*item, "name")) for item in items]
    part = Block("part", "languages", "Languages and voices", ", ".join(map(str, names[:4])) or "none")
    if not fits(maker, path):
        part.children = [maker.field("yaml", path, "Languages, as YAML", AgentDefinition)]
        return part
    for place, item in enumerate(items):
        name = names[place] if isinstance(names[place], str) else f"Language {place + 1}"
        row = Block(
            "row",
            children=[
                maker.field("line", (*item, "name"), "Language", Language),
                maker.field("line", (*item, "code"), "Code", Language),
                maker.field("line", (*item, "voice"), "Voice", Language),
            ],
        )
        rest = more(maker, item, ("name", "code", "voice"), "engine, model, emotion, speed, fillers, params")
        part.children.append(
            Block(
                "item",
                ".".join(map(str, item)),
                name,
                children=[row, rest],
                buttons=item_buttons(item, name, place, len(items)),
            )
        )
    part.buttons = [Button(f"add:{written(path)}", "Add a language", "plus")]
    return part


def hearing_part(maker: Maker) -> Block:
    """Hints for the recogniser and pronunciations."""
    hints, path = maker.items(("hints",)), ("pronounce",)
    items = maker.items(path)
    facts = f"{counted(len(hints), 'hint')}, {counted(len(items), 'pronunciation')}"
    field = maker.field("lines", ("hints",), "Hints, one a line", AgentDefinition)
    part = Block("part", "pronounce", "Hints and pronunciation", facts, children=[field])
    if not fits(maker, path):
        part.children.append(maker.field("yaml", path, "Pronunciations, as YAML", AgentDefinition))
        return part
    for place, item in enumerate(items):
        name = f"Pronunciation {place + 1}"
        row = Block(
            "row",
            children=[
                maker.field("line", (*item, "replace"), "Written", Pronunciation),
                maker.field("line", (*item, "with"), "Said", Pronunciation),
                maker.field("off", (*item, "ignore_case"), "Any case", Pronunciation),
            ],
        )
        buttons = item_buttons(item, name, place, len(items))
        part.children.append(Block("item", ".".join(map(str, item)), name, children=[row], buttons=buttons))
    part.buttons = [Button(f"add:{written(path)}", "Add a pronunciation", "plus")]
    return part


def post_prompt_part(maker: Maker) -> Block:
    """What is asked when the call has ended."""
    found = get(maker.tree, ("post_prompt",))
    part = Block("part", "post_prompt", "Post-prompt", counted(words_of(None if found is MISSING else found), "word"))
    if isinstance(found, dict):
        keys = ["text"] if "sections" not in found else []
        if keys:
            part.children.append(maker.field("text", ("post_prompt", "text"), "Text", PostPrompt))
        rest = maker.rest(("post_prompt",), keys, "More, as YAML", help="sections, and how the model is run for it")
        part.children.append(rest)
    else:
        part.children.append(maker.field("text", ("post_prompt",), "Text", AgentDefinition))
    part.children.append(maker.field("line", ("post_prompt_url",), "Its answer goes to", AgentDefinition))
    return part


def call_part(maker: Maker) -> Block:
    """What happens around the conversation."""
    tree = maker.tree
    facts = [word for word in ("record_call", "pre_answer", "post_answer", "post_ai") if tree.get(word)]
    part = Block("part", "", "Call", ", ".join(facts) or "answered, not recorded")
    if tree.get("auto_answer") is False:
        part.facts = ", ".join(["not answered", *facts])
    part.children = [
        maker.field("off", ("record_call",), "Record the call", AgentDefinition),
        maker.field("on", ("auto_answer",), "Answer the call", AgentDefinition),
        *(
            maker.field("yaml", (word,), label, AgentDefinition)
            for word, label in (
                ("answer", "Parameters of the answer, as YAML"),
                ("pre_answer", "Verbs before the answer, as YAML"),
                ("post_answer", "Verbs before the conversation, as YAML"),
                ("post_ai", "Verbs after the conversation, as YAML"),
                ("sections", "More sections of the document, as YAML"),
            )
        ),
        maker.field("line", ("safe_line",), "Said when a function fails", AgentDefinition),
        maker.field("number", ("debug_events",), "Debug events", AgentDefinition),
    ]
    return part


def model_part(maker: Maker) -> Block:
    """How the model is run."""
    prompt = get(maker.tree, ("prompt",))
    set_words = [word for word in KNOBS if isinstance(prompt, dict) and word in prompt]
    params = get(maker.tree, ("params",))
    facts = ", ".join([*set_words, *([keys_of(params)] if params else [])]) if params is not MISSING else ""
    part = Block("part", "", "Model and parameters", facts or ", ".join(set_words) or "as usual")
    if isinstance(prompt, dict) or prompt is MISSING:
        kinds = ["line", *["number"] * (len(KNOBS) - 1)]
        fields = [
            maker.field(kind, ("prompt", word), word.replace("_", " ").capitalize(), Prompt)
            for kind, word in zip(kinds, KNOBS, strict=True)
        ]
        part.children.append(Block("row", children=list(fields)))
        keys = ("text", "sections", "contexts", *KNOBS)
        part.children.append(maker.rest(("prompt",), keys, "More about the prompt, as YAML", help="llm_params"))
    part.children.append(maker.field("yaml", ("params",), "Parameters, as YAML", AgentDefinition))
    return part


def data_part(maker: Maker) -> Block:
    """Global data."""
    field = maker.field("yaml", ("global_data",), "Global data, as YAML", AgentDefinition)
    return Block("part", "", "Global data", keys_of(get(maker.tree, ("global_data",))), children=[field])


def contexts_part(maker: Maker) -> Block:
    """Contexts and steps."""
    found = get(maker.tree, ("prompt", "contexts"))
    field = maker.field("yaml", ("prompt", "contexts"), "Contexts, as YAML", Prompt)
    return Block("part", "", "Contexts and steps", keys_of(found), children=[field])


def elsewhere_part(maker: Maker) -> Block:
    """Functions that come from elsewhere, and what goes there."""
    words = ("native_functions", "includes", "mcp_servers", "mcp", "multilingual", "internal_fillers", "web_hook_url")
    given = [word for word in words if maker.tree.get(word)]
    return Block(
        "part",
        "",
        "Connections",
        ", ".join(given) or "none",
        children=[
            maker.field("lines", ("native_functions",), "Functions of the platform, one a line", AgentDefinition),
            maker.field("off", ("mcp",), "MCP", AgentDefinition),
            maker.field("line", ("web_hook_url",), "URL of direct functions", AgentDefinition),
            maker.field("yaml", ("includes",), "Functions of other servers, as YAML", AgentDefinition),
            maker.field("yaml", ("mcp_servers",), "MCP servers, as YAML", AgentDefinition),
            maker.field("yaml", ("internal_fillers",), "Fillers of the platform's functions, as YAML", AgentDefinition),
            maker.field("yaml", ("multilingual",), "Multilingual mode, as YAML", AgentDefinition),
        ],
    )
