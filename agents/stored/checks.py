"""What is checked when a definition is saved, besides its shape: SWML's own schema, and secrets that stand in it.

Not when it is loaded: what was right when it was saved goes on serving, whatever a newer schema says.
"""

from collections.abc import Sequence

from agents.definition import AgentDefinition
from agents.definition.schema_cost import MAX_LOOKS, looks
from agents.definition.variables import exposed
from agents.errors import InvalidDefinition
from agents.stored.arguments import MAX_DEPTH
from agents.swml.checker import verb_problems
from agents.swml.document import EXAMPLE_URLS, AnyToken, main_section

MULTIPLY = "has alternatives inside each other that multiply: checking arguments could take seconds; use fewer"
Path = Sequence[str | int]


def check(definition: AgentDefinition) -> None:
    """`InvalidDefinition` lists every problem with the path of its field."""
    problems = dict(exposed(definition.stored()))
    for field, verb in main_section(definition, EXAMPLE_URLS, AnyToken()):
        add_problems(problems, definition, field, verb)
    for name, function in definition.functions.items():
        if looks(function.parameters, MAX_DEPTH) > MAX_LOOKS:
            problems.setdefault(f"functions.{name}.parameters", MULTIPLY)
    for name, verbs in definition.sections.items():
        for number, verb in enumerate(verbs):
            add_problems(problems, definition, f"sections.{name}.{number}", verb)
    if problems:
        raise InvalidDefinition(problems)


def add_problems(problems: dict[str, str], definition: AgentDefinition, field: str, verb: dict[str, object]) -> None:
    """What is wrong with one verb, by the field of the definition that says it."""
    ((word, parameters),) = verb.items()
    for problem in verb_problems(word, parameters):
        if word == "ai" and field == "ai":
            path = in_definition(definition, problem.path)
        else:
            path = [field, *([word] if field not in ("answer", "record_call") else []), *problem.path]
        problems.setdefault(".".join(map(str, path)), problem.message)


def in_definition(definition: AgentDefinition, path: Path) -> Path:
    """Where the definition says what stands at this path of the `ai` verb."""
    match path:
        case ("SWAIG", "functions", int(number), *rest):
            name, function = list(definition.functions.items())[number]
            where: list[str | int] = ["functions", name]
            if rest[:1] in (["data_map"], ["web_hook_url"]) and not function.runs_here:
                where += ["handler", "webhook", "url"] if rest[0] == "web_hook_url" else ["handler", "data_map"]
                return [*where, *rest[1:]]
            return [*where, *rest]
        case ("SWAIG", "defaults", "web_hook_url"):
            return ["web_hook_url"]
        case ("SWAIG", *rest):
            return rest
        case ("prompt" | "post_prompt" as prompt, str(word), *rest) if word in getattr(definition, prompt).llm_params:
            return [prompt, "llm_params", word, *rest]
        case ("prompt" | "post_prompt", *_):
            return ["sections" if part == "pom" else part for part in path]
        case _:
            return path
