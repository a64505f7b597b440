"""From the errors of a JSON Schema to fields and sentences: of alternatives, the one that fits best."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import orjson
from jsonschema_rs import ValidationError
from jsonschema_rs import ValidationErrorKind as Kind
from rapidfuzz import process
from rapidfuzz.distance import Indel

from agents.swml.schema import at, branches_of, verbs

NEAR = 0.6  # letters that two words have in common, of all they have (0 to 1)
MAX_SHOWN = 80  # characters of a wrong value
TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
PATTERNS = {  # what a pattern asks for, by the definition or the property that has it
    "SWMLVar": "a variable such as ${name}",
    "play_url": "a URL (https://…), say:…, silence:… or ring:…",
    "CustomTranslationFilter": "prompt:…",
    "hard_stop_time": "a time such as 1h30m",
    "name": "a name other than next",
    "phrase": "a URL (https://…)",
    "id": "1 to 64 letters, digits or _",
}
LIMITS = {  # for a limit of 1, and for others
    "minimum": ("at least 1", "at least {}"),
    "maximum": ("at most 1", "at most {}"),
    "exclusiveMinimum": ("more than 1", "more than {}"),
    "exclusiveMaximum": ("less than 1", "less than {}"),
    "minLength": ("a text that is not empty", "a text with at least {} characters"),
    "maxLength": ("one character", "a text with at most {} characters"),
    "minItems": ("a list that is not empty", "a list with at least {} items"),
    "maxItems": ("a list with one item", "a list with at most {} items"),
    "minProperties": ("an object that is not empty", "an object with at least {} keys"),
    "maxProperties": ("an object with one key", "an object with at most {} keys"),
}

FieldPath = tuple[str | int, ...]


class Finding(NamedTuple):
    """A problem before it is put into words, so that those of alternatives can be joined."""

    path: FieldPath
    kind: str  # missing, unknown, wrong, or other: said as it is
    phrases: tuple[str, ...]  # wrong: what would be right; other: the message
    words: frozenset[str] = frozenset()  # unknown: what is known there
    value: Any = None

    def message(self, verb: str) -> str:
        """What is wrong, as one short sentence."""
        if self.kind == "missing":
            return "is missing"
        if self.kind == "other":
            return self.phrases[0]
        if self.kind == "wrong":
            return f"must be {listed(self.phrases)}, not {shown(self.value)}"
        word = str(self.path[-1])
        if self.words == verbs():
            return f"is not a verb of SWML{suggestion(word, self.words)}"
        place = next((part for part in reversed(self.path[:-1]) if isinstance(part, str)), verb)
        return f"is not a word of {place}{suggestion(word, self.words)}"


def findings(errors: Iterable[ValidationError]) -> list[Finding]:
    """The fields that these errors are about. Where the choices are known, a wrong type is not worth a word."""
    errors = list(errors)
    chosen = {tuple(error.instance_path) for error in errors if isinstance(error.kind, (Kind.Constant, Kind.Enum))}
    return [
        found
        for error in errors
        if not (isinstance(error.kind, Kind.Type) and tuple(error.instance_path) in chosen)
        for found in findings_of(error)
    ]


def findings_of(error: ValidationError) -> list[Finding]:
    """The fields that one error is about; of alternatives, those of the nearest."""
    path = tuple(error.instance_path)
    match error.kind:
        case Kind.AnyOf() | Kind.OneOfNotValid():
            return nearest(error)
        case Kind.OneOfMultipleValid():
            return [exclusive(error)]
        case Kind.AdditionalProperties(unexpected):
            words = frozenset(at(error.schema_path[:-1]).get("properties", ()))
            return [Finding((*path, word), "unknown", (), words) for word in unexpected]
        case Kind.Required(property=name):
            return [Finding((*path, name), "missing", ())]
    return [Finding(path, "wrong", phrases(error), value=error.instance)]


def nearest(error: ValidationError) -> list[Finding]:
    """The findings of the alternatives that fit best; where several are equally near, of all of them."""
    path, value = tuple(error.instance_path), error.instance
    branches = list(alternatives(error))
    fitting = [branch for branch in branches if not any(is_type(item, path) for item in branch)]
    if not fitting or not isinstance(value, (dict, list)):
        own = [found for branch in branches for found in findings(branch) if found.path == path]
        return [Finding(path, "wrong", unique(text for found in own for text in found.phrases), value=value)]
    found = [findings(branch) for branch in fitting]
    ranks = [rank(branch, path) for branch in found]
    best = [branch for branch, its in zip(found, ranks, strict=True) if its == min(ranks) or not value]
    words = frozenset(word for branch in branches_of(error) for word in branch.get("properties", ()))
    constants = [item for branch in found for item in branch if is_constant(item, path)]
    result = []
    for item in joined(best, path):
        if is_constant(item, path):
            every = unique(text for other in constants if other.path == item.path for text in other.phrases)
            result.append(item._replace(phrases=every))
        elif item.kind == "unknown" and item.path[:-1] == path:
            result.append(item._replace(words=item.words | words))
        else:
            result.append(item)
    return result


def alternatives(error: ValidationError) -> Iterator[Sequence[ValidationError]]:
    """The errors by alternative; an alternative that is a choice itself counts as its alternatives."""
    for branch in error.kind.context:  # type: ignore[attr-defined]  # only of anyOf and oneOf
        first = branch[0]
        choice = isinstance(first.kind, (Kind.AnyOf, Kind.OneOfNotValid)) and first.instance_path == error.instance_path
        if choice and len(branch) == 1:
            yield from alternatives(first)
        else:
            yield branch


def is_type(error: ValidationError, path: FieldPath) -> bool:
    """Whether an alternative is for another type of value altogether."""
    return isinstance(error.kind, Kind.Type) and tuple(error.instance_path) == path


def is_constant(found: Finding, path: FieldPath) -> bool:
    """Whether the word that names an alternative, such as its type, is another."""
    return found.kind == "wrong" and found.path[:-1] == path and found.path != path and found.phrases[0][:1] == '"'


def rank(found: list[Finding], path: FieldPath) -> tuple[int, int]:
    """How badly an alternative fits: first by its keys and its own words (a const), then by all that is wrong."""
    own = [item for item in found if item.path == path or (item.kind != "wrong" and item.path[:-1] == path)]
    return len(own) + 2 * sum(is_constant(item, path) for item in found), len(found)


def joined(branches: list[list[Finding]], path: FieldPath) -> list[Finding]:
    """The findings of equally near alternatives: what they agree on, and what they do not as one choice."""
    if len(branches) == 1:
        return branches[0]
    every = {(item.path, item.kind): item for branch in branches for item in branch}
    shared = [key for key in every if all(any(key == (item.path, item.kind) for item in branch) for branch in branches)]
    result = []
    for key in shared:
        of_all = [item for branch in branches for item in branch if key == (item.path, item.kind)]
        result.append(every[key]._replace(phrases=unique(text for item in of_all for text in item.phrases)))
    apart = [item for key, item in every.items() if key not in shared and item.path[:-1] == path]
    missing = [str(item.path[-1]) for item in apart if item.kind == "missing"]
    unknown = sorted(str(item.path[-1]) for item in apart if item.kind == "unknown")
    if unknown:
        result.append(Finding(path, "other", (f"has {listed(unknown, 'and')}, which exclude each other",)))
    elif missing:
        result.append(Finding(path, "other", (f"needs {listed(missing)}",)))
    return result or branches[0]


def exclusive(error: ValidationError) -> Finding:
    """Of a value that fits several alternatives of which only one may hold."""
    path, value = tuple(error.instance_path), error.instance
    required = [set(branch.get("required", ())) for branch in branches_of(error)]
    given = [names for names in required if isinstance(value, dict) and names <= value.keys()]
    names = sorted(set().union(*given) - set.intersection(*given)) if given else []
    text = f"has {listed(names, 'and')}, which exclude each other" if names else "can be read in two ways"
    return Finding(path, "other", (text,))


# --- words ------------------------------------------------------------------------------------------------------------


def phrases(error: ValidationError) -> tuple[str, ...]:
    """What would be right, after "must be"."""
    kind, place = error.kind, str(error.schema_path[-2])
    if place in PATTERNS and isinstance(kind, (Kind.Type, Kind.Pattern)) and "pattern" in at(error.schema_path[:-1]):
        return (PATTERNS[place],)
    match kind:
        case Kind.Type(types):
            return ("an object with one verb",) if place == "SWMLMethod" else tuple(TYPES[name] for name in types)
        case Kind.Constant(value):
            return (shown(value),)
        case Kind.Enum(options):
            return tuple(shown(option) for option in options)
        case Kind.Pattern(pattern):
            return (f"a text that matches {pattern}",)
        case Kind.UniqueItems():
            return ("a list without repetitions",)
    if kind.name in LIMITS:
        one, more = LIMITS[kind.name]
        return ((one if kind.value == 1 else more).format(kind.value),)
    return (f"right for the schema ({error.message})",)


def unique(texts: Iterable[str]) -> tuple[str, ...]:
    """Each text once, in order."""
    return tuple(dict.fromkeys(texts))


def listed(texts: Sequence[str], word: str = "or") -> str:
    """a, b or c."""
    return f" {word} ".join([part for part in (", ".join(texts[:-1]), texts[-1]) if part])


def shown(value: Any) -> str:
    """A value as JSON, shortened."""
    text = orjson.dumps(value, default=repr).decode()
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


def suggestion(word: str, words: Iterable[str]) -> str:
    """`; did you mean …?`, or nothing if no word is near."""
    near = process.extract(word, sorted(words), scorer=Indel.normalized_similarity, score_cutoff=NEAR, limit=2)
    return f"; did you mean {listed([found for found, _, _ in near])}?" if near else ""
