"""The peer: the SDK's AgentServer with N agents like ours.

    python benchmarks/peer.py N PORT

It says every hundred agents how far it has come.
"""

import sys
from typing import Any

import sample
from signalwire import AgentBase, AgentServer
from signalwire.core.function_result import FunctionResult


class Priced(AgentBase):
    """An agent with one function."""

    def __init__(self, number: int):
        super().__init__(name=sample.name(number), route=sample.route(number))
        self.add_language("English", "en-US", "rime.spore")
        self.prompt_add_section("Role", sample.prompt(number))
        self.define_tool(sample.FUNCTION_NAME, sample.DESCRIPTION, sample.PARAMETERS, self.price)

    def price(self, args: dict[str, Any], raw: dict[str, Any]) -> FunctionResult:
        """The function."""
        return FunctionResult(f"The price for {args.get('product', '')} is $99.99")


def main() -> None:
    count, port = map(int, sys.argv[1:])
    server = AgentServer(host="127.0.0.1", port=port, log_level="warning")
    for number in range(count):
        server.register(Priced(number))
        if number % 100 == 99:
            print(number + 1, flush=True)
    server.run()


if __name__ == "__main__":
    main()
