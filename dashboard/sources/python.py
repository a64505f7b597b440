"""The form of a Python class with its arguments, or of a script with a route in it."""

from collections.abc import Mapping
from typing import Any

from agents.python.source import PythonSource
from dashboard.sources.form import Typed, read_value
from registry.base.errors import Malformed
from registry.base.yaml_out import to_yaml


class PythonForm:
    """`templates/parts/sources/python.html`."""

    title = "Python class"
    hint = "an AgentBase"
    lines: tuple[str, ...] = ("class", "script", "script_route")
    texts: tuple[str, ...] = ("arguments",)
    main: tuple[str, ...] = ("class", "script")
    places: Mapping[str, str] = {"script": "class", "route": "class", "again": "class"}

    def typed(self, source: PythonSource) -> dict[str, str]:
        """The fields as somebody would have typed what is kept."""
        arguments = to_yaml(source.arguments).rstrip() if source.arguments else ""
        return {
            "class": source.class_ or "",
            "script": source.script or "",
            "script_route": source.route or "",
            "arguments": arguments,
        }

    def value(self, typed: Typed) -> dict[str, Any]:
        """A class with its arguments, or a script with a route in it."""
        if typed.text("script"):
            return {"script": typed.text("script"), "route": typed.text("script_route") or "/"}
        if not typed.text("class"):
            raise Malformed("name the class", problems={"class": "Name it as module:Class, such as fleet.sales:Agent."})
        return {"class": typed.text("class")} | ({"arguments": found} if (found := arguments_in(typed)) else {})


def arguments_in(typed: Typed) -> dict[str, Any]:
    """The keyword arguments."""
    text = typed.text("arguments")
    found = read_value(text, "arguments") if text else {}
    if not isinstance(found, dict):
        words = "These must be keywords with their values, such as voice: rime.spore."
        raise Malformed(words, problems={"arguments": words})
    return found
