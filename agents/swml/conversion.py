"""A plain SWML document becomes a definition; what a definition cannot express is named, never dropped.

How we know: the definition is rendered again, and whatever the document says that the rendered one does not is a
problem.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from agents.definition import AgentDefinition, Language, ModelWords, deeper_than
from agents.definition.agent import MAX_DEPTH
from agents.errors import InvalidDefinition
from agents.swml.document import EXAMPLE_URLS, AnyToken, render, render_language

NO_AI = "has no ai verb: an agent is an ai verb with what stands around it"
LOST = "cannot be expressed in a definition"
# Words of the ai verb and of SWAIG that a definition has under the same name.
SAME_AI = ("post_prompt_url", "params", "hints", "languages", "multilingual", "pronounce", "global_data")
DIRECT = {"web_hook_url": "url", "web_hook_auth_user": "auth_user", "web_hook_auth_password": "auth_password"}
SAME_SWAIG = ("native_functions", "includes", "internal_fillers", "mcp_servers")


def is_document(value: Any) -> bool:
    """Whether this is a SWML document and no definition."""
    return isinstance(value, dict) and "sections" in value and "prompt" not in value


def definition_of(document: dict[str, Any]) -> dict[str, Any]:
    """The definition that renders this document; `InvalidDefinition` names what has no place in one.

    URLs that the document does not say are ours then: a post-prompt without a URL is answered here.
    """
    if deeper_than(MAX_DEPTH, document):
        raise InvalidDefinition({"document": f"is nested too deeply: more than {MAX_DEPTH} levels"})
    sections = document["sections"]
    if not isinstance(sections, dict) or not isinstance(sections.get("main"), list):
        raise InvalidDefinition({"sections.main": "must be a list of verbs"})
    document = normalised(document)
    verbs = document["sections"]["main"]
    numbers = {word: number for number, verb in reversed(list(enumerate(verbs))) for word in words(verb)}
    if "ai" not in numbers or not isinstance(verbs[numbers["ai"]]["ai"], dict):
        raise InvalidDefinition({"sections.main": NO_AI})
    ai, answer = numbers["ai"], numbers.get("answer", len(verbs))
    definition: dict[str, Any] = {}
    if answer < ai:
        definition |= {"pre_answer": verbs[:answer], "answer": verbs[answer]["answer"]}
        definition["post_answer"] = verbs[answer + 1 : ai]
    else:
        definition |= {"auto_answer": False, "post_answer": verbs[:ai]}
    definition |= from_ai(verbs[ai]["ai"])
    definition["post_ai"] = verbs[ai + 1 :]
    definition["sections"] = {name: others for name, others in document["sections"].items() if name != "main"}
    definition = {word: value for word, value in definition.items() if value not in ([], {})}
    check_nothing_is_lost(document, definition)
    return definition


def check_nothing_is_lost(document: dict[str, Any], definition: dict[str, Any]) -> None:
    """Raise `InvalidDefinition` for whatever the definition does not render."""
    rendered = orjson.loads(orjson.dumps(render(AgentDefinition.read(definition), EXAMPLE_URLS, AnyToken())))
    if problems := dict.fromkeys(losses(document, rendered), LOST):
        raise InvalidDefinition(problems)


def words(verb: Any) -> list[str]:
    """The keys of a verb; it should have one."""
    return list(verb) if isinstance(verb, dict) else []


def normalised(document: dict[str, Any]) -> dict[str, Any]:
    """The document with one of the two ways in which some things can be said."""
    sections = {
        name: [{verb: {}} if isinstance(verb, str) else normalised_verb(verb) for verb in verbs]
        if isinstance(verbs, list)
        else verbs
        for name, verbs in document["sections"].items()
    }
    return {"version": "1.0.0", **document, "sections": sections}


def normalised_verb(verb: Any) -> Any:
    """The `ai` verb in the words of the SDK, others as they are."""
    if not isinstance(verb, dict) or not isinstance(verb.get("ai"), dict):
        return verb
    ai = dict(verb["ai"])
    for word in ("prompt", "post_prompt"):
        if isinstance(ai.get(word), str):
            ai[word] = {"text": ai[word]}
    if isinstance(ai.get("languages"), list):
        ai["languages"] = [normalised_language(language) for language in ai["languages"]]
    swaig = ai.get("SWAIG")
    if isinstance(swaig, dict) and isinstance(swaig.get("functions"), list):
        functions = [normalised_function(function) for function in swaig["functions"]]
        ai["SWAIG"] = {**swaig, "functions": functions}
    return {**verb, "ai": ai}


def normalised_language(language: Any) -> Any:
    """A voice `engine.voice:model` in its three parts."""
    voice = language.get("voice") if isinstance(language, dict) else None
    if not isinstance(voice, str) or "engine" in language or "model" in language:
        return language
    return {**language, **render_language(Language.model_construct(name="", code="", voice=voice))} | {
        word: language[word] for word in ("name", "code") if word in language
    }


def normalised_function(function: Any) -> Any:
    """SWML's older words `purpose` and `argument`."""
    if not isinstance(function, dict):
        return function
    renamed = {"purpose": "description", "argument": "parameters"}
    return {renamed.get(word, word) if renamed.get(word) not in function else word: function[word] for word in function}


def from_ai(ai: dict[str, Any]) -> dict[str, Any]:
    """What the `ai` verb says, in the words of a definition."""
    definition = {word: ai[word] for word in SAME_AI if word in ai}
    for word in ("prompt", "post_prompt"):
        if word in ai:
            definition[word] = from_prompt(ai[word])
    swaig = ai.get("SWAIG")
    if isinstance(swaig, dict):
        definition |= {word: swaig[word] for word in SAME_SWAIG if word in swaig}
        defaults = swaig.get("defaults")
        default_url = defaults.get("web_hook_url") if isinstance(defaults, dict) else None
        if swaig.get("functions"):
            definition["functions"] = from_functions(swaig["functions"], default_url)
            if default_url is not None:
                definition["web_hook_url"] = default_url
    return definition


def from_prompt(prompt: Any) -> Any:
    """A prompt: `pom` is called `sections`, and other parameters of the model have a place of their own."""
    if not isinstance(prompt, dict):
        return prompt
    known = {"text", "sections", "contexts", *ModelWords.model_fields}
    found = with_sections(prompt)
    if isinstance(contexts := found.get("contexts"), dict):
        found["contexts"] = {name: from_context(context) for name, context in contexts.items()}
    others = {word: found.pop(word) for word in list(found) if word not in known}
    return {**found, "llm_params": others} if others else found


def from_context(context: Any) -> Any:
    """A context and its steps."""
    if not isinstance(context, dict):
        return context
    found = with_sections(context)
    if isinstance(steps := found.get("steps"), list):
        found["steps"] = [with_sections(step) for step in steps]
    return found


def with_sections(part: Any) -> Any:
    """`pom` under its name in a definition."""
    return {"sections" if word == "pom" else word: part[word] for word in part} if isinstance(part, dict) else part


def from_functions(functions: Any, default_url: str | None) -> Any:
    """The functions by name; the platform goes on calling whom it called."""
    if not isinstance(functions, list):
        return functions
    found: dict[str, Any] = {}
    for number, function in enumerate(functions):
        path = f"SWAIG.functions.{number}"
        if not isinstance(function, dict) or not isinstance(function.get("function"), str):
            raise InvalidDefinition({path: "needs a name, as function: …"})
        others = {word: function[word] for word in function if word not in ("function", "data_map", *DIRECT)}
        direct = {word: function[theirs] for theirs, word in DIRECT.items() if theirs in function}
        name = function["function"]
        if name in found:
            raise InvalidDefinition({path: f"is the second function called {name!r}"})
        if "data_map" in function:
            handler: dict[str, Any] = {"data_map": function["data_map"]}
        elif "url" in direct or default_url is not None:
            handler = {"webhook": {**direct, "direct": True}}
        else:
            raise InvalidDefinition({path: f"{name} has neither web_hook_url nor data_map: nobody would answer it"})
        found[name] = {**others, "handler": handler}
    return found


def losses(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Paths of what is not there any more, or not the same; what has been added is no loss."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, item in before.items():
            inside = f"{path}.{key}" if path else key
            if key in after:
                yield from losses(item, after[key], inside)
            elif item not in ({}, [], None, False):  # said or unsaid, that is the same
                yield inside
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, item in enumerate(before):
            yield from losses(item, after[number], f"{path}.{number}")
    elif before != after:
        yield path
