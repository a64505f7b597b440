"""Builds the agent that a host is for: from a class, or from what a script registers with the SDK's AgentServer."""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import runpy
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType
from typing import Any

from . import placeholders

FORMER_NAME = "signalwire_agents"  # under which older code imports the SDK
PRESENT_NAME = "signalwire"
DAY_SECONDS = 24 * 60 * 60

NOT_ALLOWED = (
    "the module {} is not in a folder of AGENT_PATH: put one there that imports the class, or set AGENT_MODULES, which "
    "then has to name the modules of all Python agents"
)

Order = dict[str, Any]
homes: list[str] = []  # folders of the agent's own file, behind any links


class CannotLoad(Exception):  # noqa: N818 - read as a sentence
    """There is no agent to be had; the message says why."""


class FormerName(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Makes `import signalwire_agents.x` the same module as `import signalwire.x`."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Modules of the SDK's former name are ours to load."""
        if name == FORMER_NAME or name.startswith(f"{FORMER_NAME}."):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """The SDK's own module."""
        module = importlib.import_module(spec.name.replace(FORMER_NAME, PRESENT_NAME, 1))
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """It has been run; and gets its own spec back, by which the SDK finds its files."""
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state


def prepare(order: Order) -> None:
    """Make this process fit for an agent: environment, import path, the SDK's former name."""
    os.environ.update(
        SWML_PROXY_URL_BASE=f"http://{placeholders.HOST}",
        SWML_BASIC_AUTH_USER=placeholders.USER,
        SWML_BASIC_AUTH_PASSWORD=placeholders.PASSWORD,
        SIGNALWIRE_SWAIG_SECRET=order.get("secret", "inspecting"),
    )
    os.environ.pop("SIGNALWIRE_SIGNING_KEY", None)
    sys.path[:0] = [folder for folder in order["path"] if folder not in sys.path]
    sys.dont_write_bytecode = True  # the folders are not ours; and a changed file must not look like its old self
    if importlib.util.find_spec(FORMER_NAME) is None:
        sys.meta_path.insert(0, FormerName())  # before what would find a submodule's file, and run it a second time


def build(order: Order) -> Any:
    """The agent, not changed in any way; `CannotLoad`, or whatever its own code raises."""
    prepare(order)
    if order.get("class"):
        return from_class(order)
    script = run_script(order)
    route = "" if order["at"] == "/" else order["at"]
    agent = script.agents.get(route)
    if agent is None:
        known = ", ".join(path or "/" for path in script.agents) or "none"
        raise CannotLoad(f"{order['script']} registers no agent at {order['at']}; it has: {known}")
    return agent


def from_class(order: Order) -> Any:
    """An instance of the class, made with the arguments that were given."""
    from signalwire.core.agent_base import AgentBase

    module_name, _, path = order["class"].partition(":")
    check_module(module_name, order)
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            folders = ", ".join(order["path"]) or "none"
            raise CannotLoad(f"there is no module {module_name} in the folders of AGENT_PATH: {folders}") from None
        raise
    for part in path.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type) or not issubclass(found, AgentBase):
        what = "there is no" if found is None else "this is no AgentBase subclass:"
        raise CannotLoad(f"{what} {order['class']}{'' if found is not None else ': is the name right?'}")
    change_folder(getattr(sys.modules[module_name], "__file__", None))
    return found(**order.get("arguments", {}))


def check_module(name: str, order: Order) -> None:
    """Raise `CannotLoad` for a module that AGENT_MODULES and AGENT_PATH do not allow."""
    patterns = order["modules"]
    if patterns:
        if not any(fnmatchcase(name, pattern) for pattern in patterns):
            raise CannotLoad(f"the module {name} is not among those of AGENT_MODULES: {', '.join(patterns)}")
        return
    if name.startswith(f"{PRESENT_NAME}."):
        return  # the SDK's own: prefabs
    if name.partition(".")[0] in sys.modules:
        raise CannotLoad(NOT_ALLOWED.format(name))
    top = importlib.util.find_spec(name.partition(".")[0])
    if top is None:
        return  # said better when it is imported
    places = [*(top.submodule_search_locations or ()), *([top.origin] if top.origin else [])]
    if not any(is_inside(place, order["path"]) for place in places):
        raise CannotLoad(NOT_ALLOWED.format(name))


def is_inside(place: str, folders: Sequence[str]) -> bool:
    """Whether a file is in one of the folders; a link in there counts as being there."""
    return any(absolute(place).is_relative_to(absolute(folder)) for folder in folders)


def absolute(place: str | Path) -> Path:
    """A path without `..`, with the links that are in it."""
    return Path(os.path.normpath(Path(place).absolute()))


def change_folder(file: str | None) -> None:
    """Be where the agent's file is: the SDK looks for its configuration there, and so does many an agent."""
    if file:
        home = str(Path(file).resolve().parent)
        os.chdir(home)
        homes.append(home)


# --- scripts ---------------------------------------------------------------------------------------------------------


class Collected(BaseException):
    """The script has come to the point where it would begin to serve. Not an Exception: scripts catch those."""


class Script:
    """What a script made."""

    def __init__(self) -> None:
        self.servers: list[Any] = []
        self.agents: dict[str, Any] = {}  # by route, "" for the root
        self.sip: dict[str, str] = {}  # names that it chose: username → route
        self.auto_sip = False
        self.not_served: list[str] = []

    def take_server(self, server: Any) -> None:
        """What an AgentServer has."""
        self.agents |= server.agents
        self.auto_sip = self.auto_sip or bool(getattr(server, "_sip_auto_map", False))
        self.not_served += what_is_left(server)


def script_path(order: Order) -> str:
    """Where the script is; it must be below a folder of AGENT_PATH."""
    for folder in order["path"]:
        candidate = absolute(Path(folder, order["script"]))
        if candidate.is_file() and is_inside(str(candidate), order["path"]):
            name = ".".join(candidate.relative_to(absolute(folder)).with_suffix("").parts)
            if order["modules"] and not any(fnmatchcase(name, pattern) for pattern in order["modules"]):
                raise CannotLoad(f"the script {name} is not among those of AGENT_MODULES")
            return str(candidate)
    folders = ", ".join(order["path"]) or "none"
    raise CannotLoad(f"there is no script {order['script']} in the folders of AGENT_PATH: {folders}")


def run_script(order: Order) -> Script:
    """Run a script until it would serve; what it has registered by then."""
    path = script_path(order)
    script = Script()
    put_ourselves_in(script)
    sys.path.insert(0, str(Path(path).resolve().parent))  # as Python does for a link
    sys.argv = [path]
    change_folder(path)
    try:
        runpy.run_path(path, run_name="__main__")
    except Collected:
        pass
    except SystemExit as error:
        if not script.servers:
            raise CannotLoad(
                f"{order['script']} ended with sys.exit({error.code!r}) before it served anything"
            ) from None
    for server in script.servers:
        script.take_server(server)
    if not script.agents:
        raise CannotLoad(f"{order['script']} registers no agent with an AgentServer, and runs none")
    return script


def put_ourselves_in(script: Script) -> None:
    """From now on, whatever would begin to serve tells us what it has, and goes no further."""
    import uvicorn
    from signalwire.agent_server import AgentServer
    from signalwire.core.agent_base import AgentBase

    made, mapped, named = (
        AgentServer.__init__,
        AgentServer._auto_map_agent_sip_usernames,
        AgentServer.register_sip_username,
    )
    automatic: list[bool] = []

    def note_server(server: Any, *args: Any, **kwargs: Any) -> None:
        made(server, *args, **kwargs)
        script.servers.append(server)

    def map_names(server: Any, *args: Any, **kwargs: Any) -> None:
        automatic.append(True)
        try:
            mapped(server, *args, **kwargs)
        finally:
            automatic.pop()

    def note_name(server: Any, username: str, route: str) -> None:
        named(server, username, route)
        if not automatic and getattr(server, "_sip_routing_enabled", False):
            script.sip[username] = "/" + route.strip("/")

    def stop(*_args: Any, **_kwargs: Any) -> None:
        raise Collected

    def stop_agent(agent: Any, *_args: Any, **_kwargs: Any) -> None:
        script.agents.setdefault("" if agent.route in ("/", "") else "/" + agent.route.strip("/"), agent)
        raise Collected

    replacements: list[tuple[Any, str, Any]] = [
        (AgentServer, "__init__", note_server),
        (AgentServer, "_auto_map_agent_sip_usernames", map_names),
        (AgentServer, "register_sip_username", note_name),
        (AgentServer, "run", stop),
        (AgentBase, "run", stop_agent),
        (AgentBase, "serve", stop_agent),
        (uvicorn, "run", stop),
        (uvicorn.Server, "run", stop),
    ]
    for place, name, ours in replacements:
        setattr(place, name, ours)


def what_is_left(server: Any) -> list[str]:
    """What an AgentServer serves besides its agents, in words."""
    left = [line for route in server.app.routes for line in custom_routes(route)]
    for route, folder in getattr(server, "_static_directories", {}).items():
        left.append(f"static files of {folder} at {route or '/'}")
    left += [f"middleware {each.cls.__name__}" for each in server.app.user_middleware[:-1]]
    return left


def custom_routes(route: Any) -> list[str]:
    """A route of the server's application in words, unless it is the SDK's own."""
    included = getattr(route, "original_router", None)  # FastAPI keeps a router whole
    if included is not None:
        return [line for each in included.routes for line in custom_routes(each)]
    module = getattr(getattr(route, "endpoint", None), "__module__", "") or ""
    if module.startswith(f"{PRESENT_NAME}."):
        return []
    methods = "/".join(sorted(getattr(route, "methods", None) or ())) or "mounted application"
    return [f"custom route {methods} {getattr(route, 'path', '?')}"]
