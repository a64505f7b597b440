"""The SDK's own AgentServer in a subprocess, with agents as people write them: what remote agents are."""

import base64
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

USER, PASSWORD = "upstream-user", "upstream's p@ss/word"
SECRET = "what all instances of the server share"
SECONDS = 30

SCRIPT = '''
import os
import time
from pathlib import Path
from signalwire import AgentBase, AgentServer, FunctionResult

class Sales(AgentBase):
    """Its own route is not the one that it is registered at: its document names a wrong path and port."""
    def __init__(self):
        super().__init__(name="sales", route="/")
        self.prompt_add_section("Role", "You sell.")
        self.set_post_prompt("Sum up.")
        self.set_global_data({"instance": os.environ["PORT_"]})
        self.enable_mcp_server()
        self.enable_debug_events(1)
    @AgentBase.tool(description="Who answers", parameters={"what": {"type": "string"}})
    def price(self, args, raw):
        return FunctionResult(f"{args.get('what')} costs 5, says {os.environ['PORT_']}")
    @AgentBase.tool(description="Open to all", parameters={}, secure=False)
    def hours(self, args, raw):
        return FunctionResult("nine to five")
    @AgentBase.tool(description="Fails", parameters={}, secure=False)
    def fails(self, args, raw):
        raise RuntimeError("the database at " + self.get_full_url(include_auth=True) + " is away")
    @AgentBase.tool(description="To support", parameters={}, secure=False)
    def transfer(self, args, raw):
        return FunctionResult("Connecting.").swml_transfer(f"http://127.0.0.1:{os.environ['PORT_']}/support", "Bye")
    @AgentBase.tool(description="To nobody", parameters={}, secure=False)
    def transfer_away(self, args, raw):
        return FunctionResult("Connecting.").swml_transfer(f"http://127.0.0.1:{os.environ['PORT_']}/vip", "Bye")
    @AgentBase.tool(description="Waits until a file is there", parameters={}, secure=False)
    def slow(self, args, raw):
        Path(os.environ["FOLDER"], "slow-" + os.environ["PORT_"]).touch()
        while not Path(os.environ["FOLDER"], "go").exists():
            time.sleep(0.01)
        return FunctionResult("slept")

class Support(AgentBase):
    def __init__(self):
        super().__init__(name="support", route="/support")
        self.prompt_add_section("Role", "You help.")

server = AgentServer(host="127.0.0.1", port=int(os.environ["PORT_"]))
server.register(Sales(), "/sales")
server.register(Support())
server.run()
'''


class Upstream:
    """One instance; killed with `kill()`."""

    def __init__(self, folder: Path, script: str = SCRIPT, port: int = 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            self.port: int = probe.getsockname()[1]
        file = folder / "upstream.py"
        file.write_text(script)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SWML_", "SIGNALWIRE_"))}
        self.process = subprocess.Popen(
            [sys.executable, str(file)],
            env={
                **kept,
                "PORT_": str(self.port),
                "FOLDER": str(folder),
                "SWML_BASIC_AUTH_USER": USER,
                "SWML_BASIC_AUTH_PASSWORD": PASSWORD,
                "SIGNALWIRE_SWAIG_SECRET": SECRET,
                "SIGNALWIRE_LOG_MODE": "off",
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait(self) -> None:
        """Until it answers."""
        end = time.monotonic() + SECONDS
        while True:
            try:
                self.request("GET", "/health")
            except OSError:
                assert self.process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.05)
            else:
                return

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """What a direct caller of it hears."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {"Authorization": "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}
        try:
            raw = None if body is None else json.dumps(body)
            if raw:
                headers["Content-Type"] = "application/json"
            connection.request(method, path, raw, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read() or b"null")
        finally:
            connection.close()

    def kill(self) -> None:
        """At once."""
        self.process.kill()
        self.process.wait()
