"""What can be seen of an agent without asking it anything on the phone: its functions, names, keys, code."""

import asyncio
import contextlib
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import notes, placeholders
from .build import Order, Script, absolute, homes, is_inside
from .serve import AgentHost, adopt

CALL_ID = "inspection"
SIP_PATH = "/sip"


def secrets_of(agent: Any) -> dict[str, str]:
    """What the agent's own code asks callers for: before it is adopted."""
    user, password = agent._basic_auth
    own = (user, password) != (placeholders.USER, placeholders.PASSWORD)
    return {"credentials": f"{user}:{password}" if own else "", "signing_key": agent.signing_key or ""}


def callbacks_of(agent: Any) -> list[str]:
    """The sub-paths of its routing callbacks, but for the SDK's own one for SIP: that is the registry's."""
    callbacks = getattr(agent, "_routing_callbacks", None) or {}
    return [path.strip("/") for path in callbacks if path.strip("/") and path != SIP_PATH]


def not_served_of(agent: Any) -> list[str]:
    """What of the agent itself we do not serve."""
    callback = (getattr(agent, "_routing_callbacks", None) or {}).get(SIP_PATH)
    if callback is None or (getattr(callback, "__module__", "") or "").startswith("signalwire."):
        return []
    return ["its own callback at /sip: SIP names of the registry lead there instead"]


async def look(agent: Any, order: Order) -> dict[str, Any]:
    """All that is to be known; the agent is ours after it."""
    secrets = secrets_of(agent)
    callbacks, not_served = callbacks_of(agent), not_served_of(agent)
    adopt(agent, order)
    host = AgentHost(agent, order, {})
    status, document, problem = await rendered(host)
    warnings = [] if status == 200 else [f"its document could not be made: {problem or f'status {status}'}"]
    if status == 200 and has_no_prompt(document):
        warnings.append("its document has no prompt: the model is told nothing")
    return {
        "name": agent.name,
        "functions": functions_of(agent, document),
        "mcp": bool(getattr(agent, "_mcp_server_enabled", False)),
        "callbacks": callbacks,
        "sip": sorted(getattr(agent, "_sip_usernames", None) or ()),
        "not_served": not_served,
        "warnings": warnings,
        **secrets,
    }


async def rendered(host: AgentHost) -> tuple[int, Any, str]:
    """The agent's document for a made-up call: status, document, and what went wrong."""
    noted = notes.Notes()
    notes.current.set(noted)
    head = {"i": 0, "m": "GET", "p": "", "q": f"call_id={CALL_ID}", "h": []}
    try:
        response = await host.respond(head, b"")
        return response.status_code, json.loads(bytes(response.body)), noted.detail
    except Exception as error:  # noqa: BLE001 - whatever its code does is a warning, not our end
        noted.take(error)
        return 0, None, noted.detail


def functions_of(agent: Any, document: Any) -> dict[str, Any]:
    """The functions that a document offers."""
    registered = agent._tool_registry._swaig_functions
    found = {}
    for entry in listed(document):
        function = registered.get(entry.get("function"))
        url = entry.get("web_hook_url", "")
        runs_here = "data_map" not in entry and (not url or placeholders.HOST in url)
        found[entry["function"]] = {
            "description": str(entry.get("description", "")),
            "parameters": entry.get("parameters") or {},
            "secure": bool(getattr(function, "secure", True)),
            "runs_here": runs_here,
        }
    return found


def has_no_prompt(document: Any) -> bool:
    """Whether an ai verb has nothing to say to the model (the SDK writes `pom: []`, which its own schema refuses)."""
    try:
        verbs = [verb["ai"] for section in document["sections"].values() for verb in section if "ai" in verb]
        return any(not any(ai.get("prompt", {}).get(word) for word in ("pom", "text", "contexts")) for ai in verbs)
    except (AttributeError, KeyError, TypeError):
        return False


def listed(document: Any) -> list[dict[str, Any]]:
    """SWAIG.functions of every ai verb of a document."""
    try:
        verbs = [verb for section in document["sections"].values() for verb in section if isinstance(verb, dict)]
        entries = [verb["ai"].get("SWAIG", {}).get("functions", []) for verb in verbs if "ai" in verb]
        return [entry for found in entries for entry in found if isinstance(entry.get("function"), str)]
    except (AttributeError, KeyError, TypeError):
        return []


def digest(path: Sequence[str]) -> str:
    """A digest of the code that has been loaded from AGENT_PATH, and from where the agent's own file really is.

    Of names, which are relative, and contents, in order (SHA-256): the same in replicas with other folders.
    """
    folders = [*path, *homes]
    loaded = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    files = {str(absolute(file)) for file in loaded if file}
    if sys.argv and sys.argv[0].endswith(".py"):
        files.add(str(absolute(sys.argv[0])))
    summary = hashlib.sha256()
    for file in sorted(files):
        for folder in folders:
            if is_inside(file, [folder]):
                name = Path(file).relative_to(absolute(folder))
                with contextlib.suppress(OSError):
                    summary.update(f"{name}\0".encode() + hashlib.sha256(Path(file).read_bytes()).digest())
                break
    return summary.hexdigest()[:16]


def look_at_script(script: Script, order: Order) -> dict[str, Any]:
    """All agents of a script."""
    agents = []
    for route, agent in script.agents.items():
        seen = asyncio.run(look(agent, {**order, "route": route or "/"}))
        sip = [name for name, at in script.sip.items() if at.rstrip("/") == route]
        agents.append({"at": route or "/", "seen": {**seen, "sip": sorted({*seen["sip"], *sip})}})
    return {"agents": agents, "not_served": script.not_served, "auto_sip": script.auto_sip}
