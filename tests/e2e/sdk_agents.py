"""A fleet written with the SDK alone: every feature of it, and every way in which an agent's code can go wrong.

Runs as it is on the SDK's own server: `python sdk_agents.py PORT`.
"""

import asyncio
import contextlib
import ctypes
import json
import math
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from signalwire import AgentBase, AgentServer, DataMap, FunctionResult
from signalwire.prefabs import FAQBotAgent

INSIDE = "what an exception says"  # and no caller may hear
DONE = {"type": "object", "properties": {}}
AMOUNT = {"type": "object", "properties": {"cents": {"type": "integer", "minimum": 1}}, "required": ["cents"]}


class Clinic(AgentBase):
    """Everything that a document can hold, and functions of every kind."""

    PROMPT_SECTIONS = {
        "Role": "You answer for a clinic.",
        "Rules": ["Never give medical advice.", "Speak slowly."],
        "Hours": {"body": "See below.", "bullets": ["Mon", "Tue"], "subsections": [{"title": "Holidays", "body": "-"}]},
    }

    def __init__(self) -> None:
        super().__init__(name="clinic", route="/clinic/front", record_call=True, native_functions=["check_time"])
        self.add_pre_answer_verb("play", {"urls": ["ring:us"], "auto_answer": False})
        self.add_answer_verb({"max_duration": 1200})
        self.add_post_answer_verb("play", {"url": "say:Good morning"})
        self.add_post_ai_verb("hangup", {})
        self.set_post_prompt("Summarise the call as JSON.")
        self.set_post_prompt_llm_params(temperature=0.2)
        self.set_prompt_llm_params(top_p=0.8)
        self.add_language("English", "en-GB", "rime.spore", function_fillers=["one moment"], speech_fillers=["hm"])
        self.add_language("Welsh", "cy-GB", "v2", engine="openai", model="tts-1")
        self.add_hints(["GP", "A and E"]).add_pattern_hint("nhs", "n h s", "NHS", ignore_case=True)
        self.add_pronunciation("GP", "gee pee")
        self.set_params({"ai_model": "gpt-4.1-mini", "end_of_speech_timeout": 700})
        self.set_global_data({"clinic": "North"})
        self.set_internal_fillers({"next_step": {"en-GB": ["Right"]}})
        self.add_function_include("https://swaig.example.com/", ["lookup_postcode"], {"k": "v"})
        self.add_mcp_server("https://mcp.example.com", headers={"Authorization": "Bearer x"})
        self.enable_debug_events(2)
        self.enable_mcp_server()
        self.define_tool("book", "Book a visit", {"day": {"type": "string"}}, self.book, required=["day"])
        self.define_tool("explicit", "Takes money", AMOUNT, lambda args, raw: FunctionResult(f"{args}"), secure=False)
        self.define_tool("elsewhere", "Not here", {}, lambda args, raw: None, webhook_url="https://hook.example.com/x")
        self.define_tool(
            "decorated",
            "With extras",
            {},
            lambda args, raw: FunctionResult("extras"),
            secure=False,
            meta_data={"a": 1},
            meta_data_token="mdt",
            fillers={"en-GB": ["wait"]},
        )
        weather = DataMap("weather").description("Weather").parameter("city", "string", "City", required=True)
        weather.webhook("GET", "https://weather.example.com/${args.city}").output(FunctionResult("${response.sky}"))
        self.register_swaig_function(weather.to_swaig_function())

    def book(self, args: dict[str, Any], raw: dict[str, Any]) -> FunctionResult:
        known = f"{raw.get('call_id')} {sorted(set(raw) - {'token'})}"
        return FunctionResult(f"booked {args.get('day')} in {known}").update_global_data({"booked": args.get("day")})

    @AgentBase.tool()
    async def price(self, kind: Literal["visit", "test"], count: int = 1) -> FunctionResult:
        """What something costs.

        Args:
            kind: What is asked for
            count: How many
        """
        await asyncio.sleep(0)
        return FunctionResult(f"{count} x {kind}", post_process=True).hangup()

    @AgentBase.tool(name="plain", description="Nothing declared", secure=False)
    def plain(self, args: dict[str, Any], raw_data: dict[str, Any]) -> str:
        return f"plain {json.dumps(args, sort_keys=True)}"

    def on_summary(self, summary: Any, raw_data: dict[str, Any] | None = None) -> Any:
        if (raw_data or {}).get("action") == "fetch_conversation":
            return {"conversation_summary": "They called before.", "heard": summary}
        if summary == "raise":
            raise RuntimeError(INSIDE)
        return None


class Tiers(AgentBase):
    """Configured for each call, with functions that exist in some calls only."""

    def __init__(self) -> None:
        super().__init__(name="tiers", route="/tiers")
        self.prompt_add_section("Role", "You know tiers.")
        self.define_tool("which", "Tells the tier", {}, self.which, secure=False)
        self.set_dynamic_config_callback(self.configure)

    def configure(self, query: dict[str, Any], body: Any, headers: Any, agent: Any) -> None:
        tier = query.get("tier", "basic")
        if tier == "broken":
            raise RuntimeError(INSIDE)
        agent.set_global_data({"tier": tier, "from": ((body or {}).get("call") or {}).get("from")})
        agent.set_prompt_llm_params(temperature=0.9 if tier == "gold" else 0.1)
        if tier == "gold":
            agent.define_tool("concierge", "Gold only", {}, lambda args, raw: FunctionResult("at your service"))
            agent.add_swaig_query_params({"tier": "gold", "why": "paid & more"})

    def which(self, args: dict[str, Any], raw: dict[str, Any]) -> FunctionResult:
        return FunctionResult(f"asked by {raw.get('caller_id_num')}")


class Steps(AgentBase):
    """Contexts and steps."""

    def __init__(self) -> None:
        super().__init__(name="steps", route="/steps")
        self.set_prompt_text("One thing after another.")
        self.define_tool("go", "Goes on", {}, lambda args, raw: FunctionResult("on").swml_change_step("end"))
        context = self.define_contexts().add_context("default")
        begin = context.add_step("begin").set_text("Begin").set_step_criteria("begun")
        begin.set_functions(["go"]).set_valid_steps(["end"])
        context.add_step("end").add_section("Task", "End it").set_functions("none")


class Skilled(AgentBase):
    """Skills of the SDK."""

    def __init__(self) -> None:
        super().__init__(name="skilled", route="/skilled")
        self.prompt_add_section("Role", "You can count.")
        self.add_skill("math")
        self.add_skill("datetime")


class Faq(FAQBotAgent):
    """A prefab with arguments of its own."""

    def __init__(self, answer: str = "At noon.") -> None:
        faqs = [{"question": "When do you open?", "answer": answer, "categories": ["hours"]}]
        super().__init__(faqs=faqs, name="faq", route="/faq")


class Merging(AgentBase):
    """Answers `on_swml_request`."""

    def __init__(self) -> None:
        super().__init__(name="merging", route="/merging", auto_answer=False)
        self.prompt_add_section("Role", "You merge.")

    def on_swml_request(self, request_data: Any = None, callback_path: Any = None, request: Any = None) -> Any:
        asked = request_data or {}
        if asked.get("raise"):
            raise RuntimeError(INSIDE)
        if asked.get("odd"):
            return {"no_key_of_swml": 1}
        return {"global_data": {"asked": asked.get("asked"), "path": callback_path}}


class NoPrompt(AgentBase):
    """Tells the model nothing."""

    def __init__(self) -> None:
        super().__init__(name="no-prompt", route="/no-prompt")


class Signed(AgentBase):
    """Its code has a signing key and credentials."""

    def __init__(self) -> None:
        super().__init__(name="signed", route="/signed", signing_key="PSK-code", basic_auth=("kiosk", "c0de-word"))
        self.prompt_add_section("Role", "You are careful.")
        self.enable_debug_events()
        self.define_tool("open", "Opens", {}, lambda args, raw: FunctionResult("opened"), secure=False)


class Switchman(AgentBase):
    """Sends callers elsewhere: routing callbacks, and names for SIP."""

    def __init__(self) -> None:
        super().__init__(name="switchman", route="/switchman")
        self.prompt_add_section("Role", "You connect.")
        self.register_routing_callback(self.vip, path="/vip")
        self.register_routing_callback(self.night, path="/desk/night")
        self.enable_sip_routing(auto_map=False)
        self.register_sip_username("switch-desk")

    def vip(self, body: dict[str, Any], headers: Any) -> str | None:
        if body.get("raise"):
            raise RuntimeError(INSIDE)
        return "/tiers" if body.get("vip") else None

    def night(self, body: dict[str, Any], headers: Any) -> str | None:
        return "/clinic/front" if body.get("late") else None


class Odd(AgentBase):
    """Handlers that raise, and answer strange things."""

    def __init__(self) -> None:
        super().__init__(name="odd", route="/odd")
        self.prompt_add_section("Role", "You are odd.")
        self.enable_mcp_server()

        async def raise_later(args: Any, raw: Any) -> None:
            await asyncio.sleep(0)
            raise LookupError(INSIDE)

        handlers: dict[str, Any] = {
            "raises": lambda args, raw: {}[INSIDE],
            "raises_later": raise_later,
            "text": lambda args, raw: "a text",
            "nothing": lambda args, raw: None,
            "number": lambda args, raw: 7,
            "items": lambda args, raw: [1, "two"],
            "mapping": lambda args, raw: {"any": "thing"},
            "empty": lambda args, raw: FunctionResult(),
            "structured": lambda args, raw: FunctionResult(tool_result="r", tool_prompt="p"),
            "no_json": lambda args, raw: {"response": {1, 2}},
            "not_a_number": lambda args, raw: {"response": math.nan},
            "says_where": lambda args, raw: FunctionResult(
                f"me: {self.get_full_url(include_auth=True)}{self.route}/swaig, "
                f"them: {self.get_full_url(include_auth=True)}/tiers?a=b."
            ),
        }
        for name, handler in handlers.items():
            self.define_tool(name, name, DONE, handler, secure=False)
        self.define_tool("checked", "checked", AMOUNT, lambda args, raw: FunctionResult(f"ran {args}"), secure=False)
        self.define_tool("locked", "locked", {}, lambda args, raw: FunctionResult("unlocked"))

    @AgentBase.tool(description="typed", secure=False)
    def typed(self, city: str, days: int = 1) -> FunctionResult:
        return FunctionResult(f"{city} {days}")


class Root(AgentBase):
    """At the root, and told what it says."""

    def __init__(self, greeting: str = "Hello.", *, route: str = "/") -> None:
        super().__init__(name="root", route=route)
        self.prompt_add_section("Role", greeting)
        self.set_post_prompt("Sum up.")
        self.define_tool("greet", "Greets", {}, lambda args, raw: FunctionResult(greeting))


# --- what goes wrong -------------------------------------------------------------------------------------------------


def own_socket() -> int:
    """The descriptor by which this process is asked."""
    for place in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if str(place.readlink()).startswith("socket:") and int(place.name) > 2:
                return int(place.name)
    raise LookupError("no socket")


def eat(args: Any, raw: Any) -> FunctionResult:
    eaten: list[bytearray] = []
    while True:
        eaten.append(bytearray(128 * 1024 * 1024))


def recurse(args: Any, raw: Any) -> Any:
    return recurse(args, raw)


def loop(args: Any, raw: Any) -> None:
    while True:
        pass


def close_all(args: Any, raw: Any) -> FunctionResult:
    os.closerange(0, 4096)
    return FunctionResult("closed")


def write_garbage(args: Any, raw: Any) -> FunctionResult:
    os.write(own_socket(), b"\xff" * 4096)
    return FunctionResult("written")


def shout(args: Any, raw: Any) -> FunctionResult:
    for _ in range(2000):
        print("shouting " * 10)
    os.write(1, b"\x00\x00\x00\x05\x00\x00\x00\x01{}")
    return FunctionResult("shouted")


async def block(args: Any, raw: Any) -> FunctionResult:
    time.sleep(float(args.get("seconds", 30)))  # noqa: ASYNC251 - that is the horror
    return FunctionResult("blocked")


async def loop_inside(args: Any, raw: Any) -> None:
    while True:
        pass


async def cut_off(args: Any, raw: Any) -> None:
    """Says nothing that is understood, and goes on."""
    os.write(own_socket(), b"\xff" * 4096)
    while True:
        pass


async def exit_inside(args: Any, raw: Any) -> None:
    sys.exit(4)


def count(args: Any, raw: Any) -> FunctionResult:
    """Leaves a line in a file for each run."""
    with Path(args["file"]).open("a") as file:
        file.write(f"{args['n']}\n")
    return FunctionResult("counted")


HORRORS: dict[str, Any] = {
    "sleep": lambda args, raw: time.sleep(float(args.get("seconds", 30))),
    "block": block,
    "loop": loop,
    "loop_inside": loop_inside,
    "recurse": recurse,
    "exit": lambda args, raw: sys.exit(3),
    "exit_inside": exit_inside,
    "hard_exit": lambda args, raw: os._exit(7),
    "eat": eat,
    "segfault": lambda args, raw: ctypes.string_at(0),
    "close_all": close_all,
    "write_garbage": write_garbage,
    "cut_off": cut_off,
    "shout": shout,
    "kill_itself": lambda args, raw: os.kill(os.getpid(), 9),
    "threads": lambda args, raw: [threading.Thread(target=time.sleep, args=(600,)).start() for _ in range(20)] and None,
}


class Horrors(AgentBase):
    """A function for each thing that must end its own host at most."""

    def __init__(self) -> None:
        super().__init__(name="horrors", route="/horrors")
        self.prompt_add_section("Role", "You do harm.")
        for name, handler in HORRORS.items():
            self.define_tool(name, name, DONE, handler, secure=False)
        self.define_tool("well", "well", DONE, lambda args, raw: FunctionResult("well"), secure=False)
        self.define_tool("pid", "pid", DONE, lambda args, raw: FunctionResult(str(os.getpid())), secure=False)
        self.define_tool("count", "count", DONE, count, secure=False)

    def on_swml_request(self, request_data: Any = None, callback_path: Any = None, request: Any = None) -> None:
        horror = (request_data or {}).get("horror")
        if horror:
            HORRORS[horror]({}, {})


class Steady(AgentBase):
    """Does what it should."""

    def __init__(self) -> None:
        super().__init__(name="steady", route="/steady")
        self.prompt_add_section("Role", "You are steady.")
        self.define_tool("well", "well", DONE, lambda args, raw: FunctionResult("well"), secure=False)


class Loud(Steady):
    """Prints while it is made."""

    def __init__(self) -> None:
        print('{"seen": "something else"}')
        os.write(1, b"\x00" * 100)
        sys.stdout.flush()
        super().__init__()


class Hanging(Steady):
    """Is never made."""

    def __init__(self) -> None:
        time.sleep(600)


class Raising(Steady):
    """Cannot be made."""

    def __init__(self) -> None:
        raise ValueError("no key in the environment")


class Leaving(Steady):
    """Ends the process instead."""

    def __init__(self) -> None:
        sys.exit(5)


class Vanishing(Steady):
    """Ends it without a word."""

    def __init__(self) -> None:
        os._exit(6)


class Needing(Steady):
    """Wants to be told something."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.set_global_data({"number": number})


class NotOne:
    """No agent."""


FLEET: list[type[AgentBase]] = [
    Clinic,
    Tiers,
    Steps,
    Skilled,
    Faq,
    Merging,
    NoPrompt,
    Signed,
    Switchman,
    Odd,
]


def routes() -> Iterator[tuple[str, type[AgentBase]]]:
    """Each agent of the fleet with the route that it names itself."""
    for kind in FLEET:
        yield kind().route, kind


if __name__ == "__main__":
    server = AgentServer(host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
    for each in FLEET:
        server.register(each())
    server.run()
