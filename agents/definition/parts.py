"""What all parts of a definition are made of: texts, objects and numbers that can be stored and served as they are."""

import math
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, WithJsonSchema


class FieldError(ValueError):
    """Something is wrong with a field below the part that is being checked: `path` leads from that part to it."""

    def __init__(self, path: str, message: str):
        self.path = path
        super().__init__(message)


def storable(text: str) -> str:
    """Text that Postgres and UTF-8 can hold: no NUL, no lone surrogate."""
    if "\0" in text:
        raise ValueError("must not contain the NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must not contain half of a surrogate pair") from None
    return text


def storable_tree(value: Any) -> Any:
    """The same for every string inside a value, which must be JSON: YAML also knows dates, NaN and other keys."""
    check_tree(value, ())
    return value


def check_tree(value: Any, path: tuple[str, ...]) -> None:
    """Raise `FieldError` for the first thing inside a value that JSON or Postgres cannot hold."""
    try:
        if isinstance(value, dict):
            for key, item in value.items():
                if not isinstance(key, str):
                    raise ValueError(f"the key {key!r} must be a text: put it in quotes")
                storable(key)
                check_tree(item, (*path, key))
        elif isinstance(value, list):
            for number, item in enumerate(value):
                check_tree(item, (*path, str(number)))
        else:
            check_scalar(value)
    except FieldError:
        raise
    except ValueError as error:
        raise FieldError(".".join(path), str(error)) from None


def check_scalar(value: Any) -> None:
    """Raise `ValueError` for a value that is no JSON."""
    if isinstance(value, str):
        storable(value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a JSON number")
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError(f"{value} does not fit into 64 bits")
    elif not isinstance(value, (int, float, type(None))):
        raise ValueError(f"{value} is a {type(value).__name__}, which JSON does not have: put it in quotes")


def one_word(verb: dict[str, Any]) -> dict[str, Any]:
    """A SWML verb is an object with one key; its schema is checked when the definition is saved."""
    if len(verb) != 1:
        raise ValueError("must have one key, the verb, such as {play: {url: …}}")
    return verb


def flag(value: Any) -> Any:
    """A yes or no, or a variable that the platform fills in."""
    if not isinstance(value, bool) and not is_variable(value):
        raise ValueError("must be true, false, or a variable such as ${name}")
    return value


def number(value: Any) -> Any:
    """A number, or a variable that the platform fills in."""
    if (isinstance(value, bool) or not isinstance(value, (int, float))) and not is_variable(value):
        raise ValueError("must be a number, or a variable such as ${name}")
    return storable_tree(value)


def flag_or_object(value: Any) -> Any:
    """A yes or no, or the parameters of what is wanted."""
    if not isinstance(value, (bool, dict)):
        raise ValueError("must be true, false, or an object with the verb's parameters")
    return storable_tree(value)


def is_variable(value: Any) -> bool:
    """Whether SWML would take it for a variable."""
    return isinstance(value, str) and VARIABLE.match(storable(value)) is not None


def kind_of(value: Any) -> str:
    """Which branch of a union a value is meant for, so that an error names one field and not each branch in turn."""
    return "<text>" if isinstance(value, str) else "<list>" if isinstance(value, list) else "<object>"


VARIABLE = re.compile(r"[$%]\{.*\}\Z", re.DOTALL)  # as SWML's schema has it
UNION_TAGS = ("<text>", "<list>", "<object>")  # pydantic puts them into the paths of errors; no field is named so

Text = Annotated[str, AfterValidator(storable)]
Word = Annotated[str, Field(min_length=1), AfterValidator(storable)]
Object = Annotated[dict[str, Any], AfterValidator(storable_tree)]
Verb = Annotated[dict[str, Any], AfterValidator(storable_tree), AfterValidator(one_word)]
Flag = Annotated[Any, AfterValidator(flag), WithJsonSchema({"type": ["boolean", "string"]})]
FlagOrObject = Annotated[Any, AfterValidator(flag_or_object), WithJsonSchema({"type": ["boolean", "object"]})]
Number = Annotated[Any, AfterValidator(number), WithJsonSchema({"type": ["number", "string"]})]
Fillers = dict[Word, list[Word]]  # what is said meanwhile, by language code
ContextFillers = Annotated[
    Annotated[Fillers, Tag("<object>")] | Annotated[list[Fillers], Tag("<list>")], Discriminator(kind_of)
]


class Part(BaseModel):
    """What all parts of a definition have in common: unknown words are refused, nothing is changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def given(self) -> dict[str, Any]:
        """The JSON form of what was given, without defaults."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude_none=True)
