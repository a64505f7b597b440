"""The SDK's schema.json with our extensions, in a form whose errors point at the field."""

from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
from jsonschema_rs import ValidationError

from agents.swml.extensions import EXTENSIONS, Extension, extend

NOTES = frozenset({"description", "examples", "title", "default", "deprecated"})
APPLICATORS = frozenset({"$ref", "allOf", "anyOf", "oneOf", "not", "if", "patternProperties", "dependentSchemas"})


def verbs() -> frozenset[str]:
    """The names of all verbs."""
    return frozenset(definitions()["SWMLMethod"]["properties"])


@cache
def stock() -> dict[str, Any]:
    """The SDK's schema as it is. The package is found and not imported: that would cost 0.4 s and 55 MB."""
    package = find_spec("signalwire")
    if package is None or not package.submodule_search_locations:
        raise RuntimeError("signalwire-sdk is not installed: its schema.json says which SWML is right")
    schema: dict[str, Any] = orjson.loads(Path(package.submodule_search_locations[0], "schema.json").read_bytes())
    return schema


def definitions_with(extensions: Iterable[Extension]) -> dict[str, Any]:
    """The schema's definitions in a form that gives better errors, with these extensions."""
    document = {key: stock()[key] for key in ("type", "properties", "required", "unevaluatedProperties")}
    found: dict[str, Any] = plainer({**stock()["$defs"], "Document": document}, names=True)
    found |= {name: by_key(definition, found) for name, definition in found.items() if "anyOf" in definition}
    extend(found, extensions)
    return found


@cache
def definitions() -> dict[str, Any]:
    """The definitions that documents are held to."""
    return definitions_with(EXTENSIONS)


@cache
def validator() -> jsonschema_rs.Validator:
    """The compiled schema of a document: one for all verbs, since most contain each other."""
    return compiled(definitions())


def compiled(schemas: dict[str, Any]) -> jsonschema_rs.Validator:
    """A validator of documents. As in the SDK, formats are not checked: `${…}` may stand for a URL."""
    schema = {"$schema": stock()["$schema"], "$ref": "#/$defs/Document", "$defs": schemas}
    return jsonschema_rs.validator_for(schema, offline=True, validate_formats=False)


def plainer(schema: Any, *, names: bool = False) -> Any:
    """A copy without notes, with additionalProperties for unevaluatedProperties: its errors name what is inside.

    `names`: the keys of this object are names, not keywords.
    """
    if isinstance(schema, list):
        return [plainer(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if names:
        return {name: plainer(item) for name, item in schema.items()}
    result = {key: plainer(value, names=key == "properties") for key, value in schema.items() if key not in NOTES}
    if "unevaluatedProperties" in schema and not APPLICATORS & schema.keys():
        others = result.pop("unevaluatedProperties")
        result["additionalProperties"] = False if others == {"not": {}} else others
    if result.get("$ref") == stock()["$id"]:
        result["$ref"] = "#/$defs/Document"
    return result


def by_key(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """A choice between objects with one key each (verbs, actions) as one object, so that its key chooses."""
    names = [branch["$ref"].rpartition("/")[2] for branch in schema["anyOf"] if "$ref" in branch]
    keys = [list(schemas[name].get("properties", ())) for name in names]
    one_each = all(
        len(key) == 1 and schemas[name].get("required") == key and schemas[name].get("additionalProperties") is False
        for name, key in zip(names, keys, strict=True)
    )
    if len(names) < len(schema["anyOf"]) or not one_each:
        return schema
    refs = {key: {"$ref": f"#/$defs/{name}/properties/{key}"} for name, (key,) in zip(names, keys, strict=True)}
    return {"type": "object", "properties": refs, "minProperties": 1, "maxProperties": 1, "additionalProperties": False}


def at(path: Iterable[str | int]) -> Any:
    """The part of the schema that an error names."""
    part: Any = {"$defs": definitions()}
    for step in path:
        part = part[int(step)] if isinstance(part, list) else part[step]
    return part


def branches_of(error: ValidationError) -> list[dict[str, Any]]:
    """The alternatives that an error of anyOf or oneOf is about, references followed."""
    return [at(branch["$ref"][2:].split("/")) if "$ref" in branch else branch for branch in at(error.schema_path)]
