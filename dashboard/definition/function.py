"""The part of the form with the functions: a list, and the fields of those that are open."""

from typing import Any

from agents.definition import AgentDefinition, DataMapHandler, Function, Match, Outcome, Webhook
from dashboard.definition.form import HANDLERS, handler_of
from dashboard.definition.layout import Block, Button, Field, Maker, item_buttons
from dashboard.definition.tree import MISSING, Path, dotted, get, written

TYPES = ("string", "integer", "number", "boolean", "array", "object")
AGENTS = "agent-names"  # id of the datalist with the names of agents
MAX_ROWS = 60  # parameters or cases that have fields of their own


def functions_part(maker: Maker) -> Block:
    """All functions."""
    path: Path = ("functions",)
    items = maker.items(path)
    part = Block("part", "functions", "Functions", str(len(items) or "none"))
    found = get(maker.tree, path)
    if found is not MISSING and not isinstance(found, dict):
        part.children = [maker.field("yaml", path, "Functions, as YAML", AgentDefinition)]
        return part
    part.children = [
        open_function(maker, item, place, len(items)) if item in maker.opened else closed_function(maker, item)
        for place, item in enumerate(items)
    ]
    part.buttons = [Button(f"add:{written(path)}", "Add a function", "plus")]
    part.open = any(item in maker.opened for item in items)
    return part


def closed_function(maker: Maker, item: Path) -> Block:
    """A line that says which function it is."""
    description = get(maker.tree, (*item, "description"))
    name = str(item[-1])
    return Block(
        "summary",
        dotted(item),
        name,
        badge=handler_of(get(maker.tree, (*item, "handler"))),
        help=description[:300] if isinstance(description, str) else "",
        buttons=[Button(f"open:{written(item)}", "Edit", "pencil", name)],
    )


def open_function(maker: Maker, item: Path, place: int, count: int) -> Block:
    """A function with all its fields."""
    name = str(item[-1])
    close = Button(f"close:{written(item)}", "Done", "check", name)
    block = Block("item", dotted(item), name, open=True, buttons=[close, *item_buttons(item, name, place, count)])
    if not isinstance(get(maker.tree, item), dict):
        block.children = [maker.key(item, "Name"), maker.field("yaml", item, "As YAML")]
        return block
    rest = maker.rest(
        item,
        ("description", "parameters", "handler", "secure"),
        "As YAML",
        help=(
            "Besides what is above: fillers, wait_file, wait_file_loops, wait_for_fillers, skip_fillers, active, "
            "meta_data, meta_data_token, gates, gate_fillers."
        ),
    )
    block.children = [
        maker.key(item, "Name", help="Letters, digits and _; the model calls it by this name"),
        maker.field("text", (*item, "description"), "Description", Function),
        parameters(maker, (*item, "parameters")),
        *handler(maker, (*item, "handler")),
        maker.field("on", (*item, "secure"), "Secure", Function),
        Block("more", "", "More", open=bool(rest.value), children=[rest]),
    ]
    return block


def parameters(maker: Maker, path: Path) -> Block:
    """The arguments: a table of those of the usual form; the rest of the schema as YAML."""
    schema = get(maker.tree, path)
    properties = get(maker.tree, (*path, "properties"))
    block = Block("table", dotted(path), "Parameters")
    usual = schema is MISSING or (
        isinstance(schema, dict)
        and ("type" in schema or "properties" in schema or not schema)
        and (properties is MISSING or isinstance(properties, dict))
        and len(maker.items((*path, "properties"))) <= MAX_ROWS
        and isinstance(schema.get("required", []), list)
    )
    if not usual:
        block.children = [maker.field("yaml", path, "Schema, as YAML", Function)]
        return block
    required = get(maker.tree, (*path, "required"))
    items = maker.items((*path, "properties"))
    for place, item in enumerate(items):
        name = str(item[-1])
        row = Block("item", dotted(item), name, buttons=item_buttons(item, name, place, len(items)))
        if isinstance(get(maker.tree, item), dict):
            needed = isinstance(required, list) and name in required
            cells: list[Field | Block] = [
                maker.key(item, "Name"),
                maker.field("line", (*item, "type"), "Type", choices=("", *TYPES)),
                Field(f"required:{written(item)}", "off", "", "Required", str(int(needed))),
                maker.field("line", (*item, "description"), "Description"),
            ]
            rest = maker.rest(item, ("type", "description"), "As YAML", help="Besides: enum, minimum, items, default …")
            more = Block("more", "", "More", open=bool(rest.value), children=[rest])
            row.children = [Block("row", children=cells), more]
        else:
            row.children = [maker.key(item, "Name"), maker.field("yaml", item, "As YAML")]
        block.children.append(row)
    block.buttons = [Button(f"add:{written([*path, 'properties'])}", "Add a parameter", "plus")]
    others = maker.rest(path, ("properties", "required"), "The rest of the schema, as YAML", help="JSON Schema")
    block.children.append(Block("more", "", "Schema", children=[others]))
    return block


def handler(maker: Maker, path: Path) -> list[Field | Block]:
    """What answers."""
    found = get(maker.tree, path)
    if not isinstance(found, dict) and found is not MISSING:
        return [maker.field("yaml", path, "Handler, as YAML", Function)]
    kind = handler_of(found)
    choice = Field(
        f"handler:{written(path)}",
        "switch",
        dotted(path),
        "Handler",
        kind,
        "What answers. Another kind replaces what stands below.",
        choices=HANDLERS,
    )
    makers = {"reply": outcome, "transfer": outcome, "match": match, "webhook": webhook, "data_map": data_map}
    return [choice, *makers[kind](maker, path)]


def outcome(maker: Maker, path: Path) -> list[Field | Block]:
    """A reply, actions, a transfer."""
    return [
        maker.field("text", (*path, "reply"), "Reply", Outcome),
        maker.field("line", (*path, "transfer"), "Transfer to", Outcome, suggestions=AGENTS),
        maker.field("yaml", (*path, "actions"), "Actions, as YAML", Outcome),
        maker.field("off", (*path, "post_process"), "Post process", Outcome),
        *others(maker, path, ("reply", "transfer", "actions", "post_process")),
    ]


def match(maker: Maker, path: Path) -> list[Field | Block]:
    """A table from values to outcomes."""
    path = (*path, "match")
    cases, found = (*path, "cases"), get(maker.tree, path)
    known: Any = get(maker.tree, cases)
    usual = known is MISSING or (
        isinstance(known, dict) and len(known) <= MAX_ROWS and all(isinstance(each, dict) for each in known.values())
    )
    default = get(maker.tree, (*path, "default"))
    if not isinstance(found, dict) or not usual or not (default is MISSING or isinstance(default, dict)):
        return [maker.field("yaml", path, "Match, as YAML")]
    block = Block("table", dotted(cases), "Cases", help="Upper and lower case are the same")
    items = maker.items(cases)
    for place, item in enumerate(items):
        name = str(item[-1])
        block.children.append(
            Block(
                "item",
                dotted(item),
                name,
                children=[maker.key(item, "Value"), *short_outcome(maker, item)],
                buttons=item_buttons(item, name, place, len(items)),
            )
        )
    block.buttons = [Button(f"add:{written(cases)}", "Add a case", "plus")]
    otherwise = Block("item", dotted((*path, "default")), "Any other value")
    otherwise.children = short_outcome(maker, (*path, "default"))
    return [
        maker.field("line", (*path, "argument"), "Argument", Match),
        block,
        otherwise,
        *others(maker, path, ("argument", "cases", "default")),
    ]


def short_outcome(maker: Maker, path: Path) -> list[Field | Block]:
    """An outcome in two fields; what it has besides is folded away."""
    rest = maker.rest(path, ("reply", "transfer"), "As YAML", help="Besides: actions, post_process.")
    return [
        maker.field("text", (*path, "reply"), "Reply", Outcome),
        maker.field("line", (*path, "transfer"), "Transfer to", Outcome, suggestions=AGENTS),
        Block("more", "", "More", open=bool(rest.value), children=[rest]),
    ]


def webhook(maker: Maker, path: Path) -> list[Field | Block]:
    """A server of the author's."""
    path = (*path, "webhook")
    if not isinstance(get(maker.tree, path), dict):
        return [maker.field("line", path, "URL", help="https://…, or env:NAME. Headers and a time limit: as YAML.")]
    return [
        maker.field("line", (*path, "url"), "URL", Webhook),
        maker.field("number", (*path, "timeout"), "Timeout", Webhook),
        maker.field("off", (*path, "direct"), "Direct", Webhook),
        maker.field("yaml", (*path, "headers"), "Headers, as YAML", Webhook),
        *others(maker, path, ("url", "timeout", "direct", "headers")),
    ]


def data_map(maker: Maker, path: Path) -> list[Field | Block]:
    """Run by the platform."""
    return [
        maker.field("yaml", (*path, "data_map"), "Data map, as YAML", DataMapHandler),
        *others(maker, path, ("data_map",)),
    ]


def others(maker: Maker, path: Path, keys: tuple[str, ...]) -> list[Field | Block]:
    """A field for what should not be there, if something is."""
    rest = maker.rest(path, keys, "More, as YAML")
    return [rest] if rest.value else []
