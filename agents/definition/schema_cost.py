"""How much work a JSON Schema can be: alternatives inside each other multiply with each level of a value.

Python waits while a schema is checked, and with it every other call, so a schema that could take seconds is refused
when it is saved. What is counted: how often parts of the schema look at one chain of values, each inside the one
before.
"""

from typing import Any

MAX_LOOKS = 10_000  # a few milliseconds
IN_PLACE = ("anyOf", "oneOf", "allOf")  # lists of schemas for the same value
IN_PLACE_ONE = ("not", "if", "then", "else")
BELOW = ("properties", "patternProperties", "dependentSchemas")  # schemas by name, for values inside
BELOW_ONE = ("items", "additionalProperties", "unevaluatedProperties", "unevaluatedItems", "contains", "propertyNames")


def looks(schema: dict[str, Any], depth: int) -> int:
    """How often parts of a schema can look at a chain of so many values; counting stops above MAX_LOOKS."""
    return Counter(schema).count(schema, depth)


class Counter:
    """Counts with a memory, for parts are reached by many ways."""

    def __init__(self, root: dict[str, Any]):
        self.root = root
        self.known: dict[tuple[int, int], int] = {}
        self.open: set[tuple[int, int]] = set()

    def count(self, schema: Any, depth: int) -> int:
        """Looks at a value and the `depth` values inside each other in it."""
        if not isinstance(schema, dict) or depth < 0:
            return 0
        key = (id(schema), depth)
        if key in self.open:  # it refers to itself without going deeper; the validator refuses that
            return 0
        if key not in self.known:
            self.open.add(key)
            self.known[key] = min(self.of_parts(schema, depth), MAX_LOOKS + 1)
            self.open.discard(key)
        return self.known[key]

    def of_parts(self, schema: dict[str, Any], depth: int) -> int:
        """One look, those of the parts for the same value, and those of the worst part for a value inside."""
        same = [part for word in IN_PLACE if isinstance(parts := schema.get(word), list) for part in parts]
        same += [schema[word] for word in IN_PLACE_ONE if word in schema]
        for word in ("$ref", "$dynamicRef"):
            if isinstance(reference := schema.get(word), str):
                same.append(self.at(reference))
        below = [part for word in BELOW if isinstance(parts := schema.get(word), dict) for part in parts.values()]
        below += [schema[word] for word in BELOW_ONE if word in schema]
        below += schema["prefixItems"] if isinstance(schema.get("prefixItems"), list) else []
        total = 1
        for part in same:
            total += self.count(part, depth)
            if total > MAX_LOOKS:
                return total
        return total + max((self.count(part, depth - 1) for part in below), default=0)

    def at(self, reference: str) -> Any:
        """The part of the schema that a reference names (RFC 6901); None if it is an anchor or not there."""
        part: Any = self.root
        for step in reference.removeprefix("#").strip("/").split("/") if reference not in ("#", "#/") else []:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(part, dict):
                part = part.get(name)
            elif isinstance(part, list) and name.isdigit() and int(name) < len(part):
                part = part[int(name)]
            else:
                return None
        return part
