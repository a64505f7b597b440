"""A script as the SDK's users have them: it knows nothing of Switchboard, and runs on the SDK's own server."""

import os
from pathlib import Path

from signalwire import AgentBase, AgentServer
from signalwire.core.function_result import FunctionResult


class Clinic(AgentBase):
    """The same class for several clinics."""

    def __init__(self, city: str, opens: str, route: str = "/"):
        super().__init__(name="Clinic Desk", route=route)
        self.city = city
        self.prompt_add_section("Role", f"You book appointments in {city}.")
        self.set_post_prompt("Summarise the appointment.")
        self.define_tool(
            "find_slot",
            "Find a free slot",
            {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]},
            lambda arguments, _raw: FunctionResult(f"On {arguments['day']} {city} opens at {opens}."),
        )

    @AgentBase.tool()
    def other_desk(self, where: str) -> FunctionResult:
        """Transfer to another desk."""
        return FunctionResult("I put you through.").swml_transfer(f"http://127.0.0.1/{where}", "Goodbye.")


class Shop(AgentBase):
    """Has credentials of its own."""

    def __init__(self) -> None:
        super().__init__(name="shop", basic_auth=("shop-user", "shop-password"))
        self.prompt_add_section("Role", "You sell.")


server = AgentServer(host="127.0.0.1", port=int(os.environ.get("SCRIPT_PORT", "3000")))
server.register(Clinic("Bonn", "8:30"), "/clinic/bonn")
server.register(Clinic("Lyon", opens="9:00", route="/clinic/lyon"))
server.register(Shop(), "/shop")
server.register(Clinic("nowhere", "never"), "/dashboard")
server.setup_sip_routing("/sip", auto_map=True)
server.register_sip_username("Appointments", "/clinic/lyon")
server.serve_static_files(str(Path(__file__).with_name("web")), "/files")


@server.app.get("/get_token")
async def get_token() -> dict[str, str]:
    """A route beside the agents."""
    return {"token": "t"}


if __name__ == "__main__":
    server.run()
