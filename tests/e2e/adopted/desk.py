"""A single agent that serves itself."""

import os

from signalwire import AgentBase
from signalwire.core.function_result import FunctionResult


class Desk(AgentBase):
    """Greets."""

    def __init__(self) -> None:
        super().__init__(name="desk", route="/desk", host="127.0.0.1", port=int(os.environ.get("SCRIPT_PORT", "3000")))
        self.prompt_add_section("Role", "You greet.")

    @AgentBase.tool()
    def greet(self, name: str) -> FunctionResult:
        """Greet somebody."""
        return FunctionResult(f"Hello, {name}.")


if __name__ == "__main__":
    Desk().run()
