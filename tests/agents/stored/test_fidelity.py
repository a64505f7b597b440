"""The same agent built with the SDK and as a definition of ours renders the same document, URLs and tokens aside."""

import copy
import os
import re
from typing import Any

import orjson
import pytest

os.environ["SIGNALWIRE_LOG_MODE"] = "off"

from signalwire import AgentBase, DataMap, FunctionResult

from agents.definition import AgentDefinition
from agents.stored.checks import check
from agents.swml.document import AnyToken, Urls, render

URLS = Urls("https://u:p@voice.example.com/twin", "https://voice.example.com")
OURS = re.compile(r"^https?://(?:u:p@)?(?:localhost:3000|voice\.example\.com)(?P<path>/[^?]*)(?:\?__token=.*)?$")


def ours(value: dict[str, Any]) -> dict[str, Any]:
    """The document of a definition, which is right in every respect."""
    definition = AgentDefinition.read(value)
    check(definition)
    again = AgentDefinition.read(orjson.loads(orjson.dumps(definition.stored())))
    assert again == definition
    found: dict[str, Any] = orjson.loads(orjson.dumps(render(definition, URLS, AnyToken())))
    return found


def theirs(agent: AgentBase) -> dict[str, Any]:
    """The document of an agent of the SDK."""
    found: dict[str, Any] = orjson.loads(agent._render_swml(call_id="C1"))
    return found


def without_urls(value: Any) -> Any:
    """URLs of the server with their path only, tokens left out: the rest must be the same."""
    if isinstance(value, str):
        return OURS.sub(r"<\g<path>>", value)
    if isinstance(value, dict):
        return {key: without_urls(item) for key, item in value.items()}
    return [without_urls(item) for item in value] if isinstance(value, list) else value


def handler(args: Any, raw: Any) -> FunctionResult:
    """What the SDK's agent would run."""
    return FunctionResult("Done.")


def sdk_agent(**options: Any) -> AgentBase:
    """An agent at /twin whose credentials are u and p."""
    return AgentBase(name="twin", route="/twin", basic_auth=("u", "p"), **options)


def full() -> AgentBase:
    """Every feature that ends up in a document, in one agent."""
    agent = sdk_agent(record_call=True, record_format="wav", record_stereo=False, native_functions=["check_time"])
    agent.add_pre_answer_verb("play", {"urls": ["ring:us"], "auto_answer": False})
    agent.add_pre_answer_verb("sleep", 500)
    agent.add_answer_verb({"max_duration": 3600})
    agent.add_post_answer_verb("play", {"url": "say:Welcome"})
    agent.add_post_ai_verb("hangup", {})
    agent.prompt_add_section("Role", "You help.", bullets=["Be brief", "Be kind"])
    agent.prompt_add_subsection("Role", "Manner", body="Calm", bullets=["No slang"])
    agent.prompt_add_section("Rules", "In order", bullets=["First"], numbered=True, numbered_bullets=True)
    agent.set_prompt_llm_params(model="gpt-4o-mini", temperature=0.3, top_p=0.9, barge_confidence=0.2, reasoning="low")
    agent.set_post_prompt("Summarise as JSON")
    agent.set_post_prompt_llm_params(temperature=0.1, frequency_penalty=0.2)
    agent.add_language(
        "English", "en-US", "elevenlabs.josh:eleven_turbo_v2_5", speech_fillers=["um"], function_fillers=["one sec"]
    )
    agent.add_language("Spanish", "es-MX", "nova", engine="openai", model="tts-1", params={"stability": 0.5})
    agent.add_language("German", "de-DE", "v2", engine="rime", params={"similarity_boost": 0.75})
    agent.add_language("French", "fr-FR", "v1", function_fillers=["un instant"])
    agent.set_multilingual({"languages": [{"language": "en"}, {"language": "es"}], "start_language": "en"})
    agent.add_hint("Acme")
    agent.add_hints(["Elm Street", "Okafor"])
    agent.add_pattern_hint("swml", "s w m l", "SWML", True)
    agent.add_pattern_hint("swaig", "s w a i g", "SWAIG")
    agent.add_pronunciation("API", "A P I")
    agent.add_pronunciation("SIP", "sip", ignore_case=True)
    agent.set_params({"ai_model": "gpt-4.1-mini", "end_of_speech_timeout": 500})
    agent.set_semantic_gates(enabled=True, timeout_ms=2000, history=10)
    agent.set_global_data({"company": "Acme", "opens": {"mon": "08:00"}})
    agent.set_internal_fillers({"next_step": {"en-US": ["Moving on"], "es": ["Sigamos"]}})
    agent.add_internal_filler("check_time", "en-US", ["Let me look"])
    agent.add_function_include("https://example.com/swaig", ["f1", "f2"], {"k": "v"})
    agent.add_function_include("https://example.com/more", ["f3"])
    agent.add_mcp_server(
        "https://mcp.example.com",
        headers={"Authorization": "Bearer env:AGENT_SECRET_MCP", "X-Team": "voice"},
        resources=True,
        resource_vars={"caller": "${caller_id_number}"},
    )
    agent.add_mcp_server("https://tools.example.com/mcp")
    agent.enable_debug_events(2)
    agent.enable_mcp_server()
    functions_of(agent)
    return agent


def functions_of(agent: AgentBase) -> None:
    """Functions with everything that a function can have."""
    agent.define_tool(
        "book", "Book a slot", {"day": {"type": "string"}, "hour": {"type": "integer"}}, handler, required=["day"],
        fillers={"en-US": ["hold on"], "es": ["espere"]},
    )  # fmt: skip
    schema = {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}
    agent.define_tool("look_up", "Look it up", schema, handler, secure=False)
    agent.define_tool("bare", "No arguments", {}, handler)
    agent.define_tool("outside", "Elsewhere", {}, handler, webhook_url="https://ext.example.com/hook")
    agent.define_tool(
        "tagged", "With data", {}, handler, secure=False, meta_data={"x": 1}, meta_data_token="mt", skip_fillers=True
    )
    agent.define_tool("music", "Plays", {}, handler, wait_file="/hold.mp3", wait_file_loops=3, wait_for_fillers=True)
    agent.define_tool("noise", "Plays", {}, handler, wait_file="https://cdn.example.com/noise.wav", active=False)
    gate = {
        "id": "sure",
        "question": "Did the caller agree?",
        "criteria": {"true": "Said yes"},
        "threshold": 0.8,
        "on_fail": {"response": "Not done.", "action": [{"say": "I need your consent."}]},
        "visual_input": 2,
    }
    agent.define_tool("pay", "Take money", {}, handler, gates=[gate], gate_fillers={"default": ["One moment"]})
    agent.register_swaig_function(
        DataMap("weather")
        .description("Get weather")
        .parameter("city", "string", "City", required=True)
        .webhook("GET", "https://api.example.com/w?q=${args.city}", headers={"X-Team": "voice"})
        .output(FunctionResult("It is ${response.temp}").say("Done"))
        .to_swaig_function()
    )

    @agent.on_call_end
    def archive(log: Any, raw: Any) -> None:
        pass


DATA_MAP = {
    "webhooks": [
        {
            "url": "https://api.example.com/w?q=${args.city}",
            "method": "GET",
            "headers": {"X-Team": "voice"},
            "output": {"response": "It is ${response.temp}", "action": [{"say": "Done"}]},
        }
    ]
}
REPLY = {"reply": "Done."}
FULL: dict[str, Any] = {
    "pre_answer": [{"play": {"urls": ["ring:us"], "auto_answer": False}}, {"sleep": 500}],
    "answer": {"max_duration": 3600},
    "record_call": {"format": "wav", "stereo": False},
    "post_answer": [{"play": {"url": "say:Welcome"}}],
    "post_ai": [{"hangup": {}}],
    "prompt": {
        "sections": [
            {
                "title": "Role",
                "body": "You help.",
                "bullets": ["Be brief", "Be kind"],
                "subsections": [{"title": "Manner", "body": "Calm", "bullets": ["No slang"]}],
            },
            {"title": "Rules", "body": "In order", "bullets": ["First"], "numbered": True, "numberedBullets": True},
        ],
        "model": "gpt-4o-mini",
        "temperature": 0.3,
        "top_p": 0.9,
        "barge_confidence": 0.2,
        "llm_params": {"reasoning": "low"},
    },
    "post_prompt": {"text": "Summarise as JSON", "temperature": 0.1, "frequency_penalty": 0.2},
    "languages": [
        {
            "name": "English",
            "code": "en-US",
            "voice": "elevenlabs.josh:eleven_turbo_v2_5",
            "speech_fillers": ["um"],
            "function_fillers": ["one sec"],
        },
        {"name": "Spanish", "code": "es-MX", "voice": "nova", "engine": "openai", "model": "tts-1"}
        | {"params": {"stability": 0.5}},
        {"name": "German", "code": "de-DE", "voice": "v2", "engine": "rime", "params": {"similarity_boost": 0.75}},
        {"name": "French", "code": "fr-FR", "voice": "v1", "function_fillers": ["un instant"]},
    ],
    "multilingual": {"languages": [{"language": "en"}, {"language": "es"}], "start_language": "en"},
    "hints": [
        "Acme",
        "Elm Street",
        "Okafor",
        {"hint": "swml", "pattern": "s w m l", "replace": "SWML", "ignore_case": True},
        {"hint": "swaig", "pattern": "s w a i g", "replace": "SWAIG"},
    ],
    "pronounce": [{"replace": "API", "with": "A P I"}, {"replace": "SIP", "with": "sip", "ignore_case": True}],
    "params": {
        "ai_model": "gpt-4.1-mini",
        "end_of_speech_timeout": 500,
        "semantic_gates_enabled": True,
        "semantic_gate_timeout_ms": 2000,
        "semantic_gate_history": 10,
        "swaig_post_conversation": True,
    },
    "global_data": {"company": "Acme", "opens": {"mon": "08:00"}},
    "native_functions": ["check_time"],
    "includes": [
        {"url": "https://example.com/swaig", "functions": ["f1", "f2"], "meta_data": {"k": "v"}},
        {"url": "https://example.com/more", "functions": ["f3"]},
    ],
    "internal_fillers": {
        "next_step": {"en-US": ["Moving on"], "es": ["Sigamos"]},
        "check_time": {"en-US": ["Let me look"]},
    },
    "mcp_servers": [
        {
            "url": "https://mcp.example.com",
            "headers": {"Authorization": "Bearer env:AGENT_SECRET_MCP", "X-Team": "voice"},
            "resources": True,
            "resource_vars": {"caller": "${caller_id_number}"},
        },
        {"url": "https://tools.example.com/mcp"},
    ],
    "debug_events": 2,
    "mcp": True,
    "functions": {
        "book": {
            "description": "Book a slot",
            "parameters": {
                "type": "object",
                "properties": {"day": {"type": "string"}, "hour": {"type": "integer"}},
                "required": ["day"],
            },
            "fillers": {"en-US": ["hold on"], "es": ["espere"]},
            "handler": REPLY,
        },
        "look_up": {
            "description": "Look it up",
            "parameters": {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]},
            "secure": False,
            "handler": REPLY,
        },
        "bare": {"description": "No arguments", "handler": REPLY},
        "outside": {
            "description": "Elsewhere",
            "handler": {"webhook": {"url": "https://ext.example.com/hook", "direct": True}},
        },
        "tagged": {
            "description": "With data",
            "secure": False,
            "meta_data": {"x": 1},
            "meta_data_token": "mt",
            "skip_fillers": True,
            "handler": REPLY,
        },
        "music": {
            "description": "Plays",
            "wait_file": "/hold.mp3",
            "wait_file_loops": 3,
            "wait_for_fillers": True,
            "handler": REPLY,
        },
        "noise": {
            "description": "Plays",
            "wait_file": "https://cdn.example.com/noise.wav",
            "active": False,
            "handler": REPLY,
        },
        "pay": {
            "description": "Take money",
            "gates": [
                {
                    "id": "sure",
                    "question": "Did the caller agree?",
                    "criteria": {"true": "Said yes"},
                    "threshold": 0.8,
                    "on_fail": {"response": "Not done.", "action": [{"say": "I need your consent."}]},
                    "visual_input": 2,
                }
            ],
            "gate_fillers": {"default": ["One moment"]},
            "handler": REPLY,
        },
        "weather": {
            "description": "Get weather",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string", "description": "City"}},
                "required": ["city"],
            },
            "handler": {"data_map": DATA_MAP},
        },
        "hangup_hook": {"description": "Internal: fires when the call ends.", "handler": REPLY},
    },
}


def with_contexts() -> AgentBase:
    """Every feature of contexts and steps."""
    agent = sdk_agent()
    agent.set_prompt_text("You take orders.")
    agent.define_tool("look_up", "Look it up", {}, handler, secure=False)
    contexts = agent.define_contexts()
    default = contexts.add_context("default")
    default.set_valid_contexts(["help"]).set_valid_steps(["next"]).set_initial_step("greet")
    default.set_post_prompt("What was ordered?").set_system_prompt("You are brief.").set_consolidate(True)
    default.set_full_reset(True).set_user_prompt("Hello?").set_isolated(True).set_prompt("Take the order.")
    default.set_enter_fillers({"en-US": ["Welcome"], "default": ["Hi"]}).add_exit_filler("en-US", ["Goodbye"])
    default.set_history("hide")
    greet = default.add_step("greet").set_text("Greet the caller.").set_step_criteria("greeted")
    greet.set_functions(["look_up"]).set_valid_steps(["ask", "next"]).set_valid_contexts(["help"])
    greet.set_skip_user_turn(True).set_skip_to_next_step(True).set_history("keep")
    ask = default.add_step("ask").set_text("Ask what they want.").set_functions("none")
    ask.set_gather_info("order", "next_step", "Ask one by one.", isolated=True)
    ask.add_gather_question("size", "Which size?")
    ask.add_gather_question(
        "count", "How many?", type="integer", confirm=True, prompt="Be exact.", functions=["look_up"], isolated=False
    )
    done = default.add_step("done").set_text("Say goodbye.").set_end(True)
    done.set_reset_system_prompt("Be polite.").set_reset_user_prompt("Bye").set_reset_consolidate(True)
    done.set_reset_full_reset(True)
    helping = contexts.add_context("help")
    helping.add_section("Task", "Explain the menu.").add_bullets("Manner", ["Slowly", "Kindly"])
    helping.add_step("explain").set_text("Explain.")
    return agent


CONTEXTS: dict[str, Any] = {
    "prompt": {
        "text": "You take orders.",
        "contexts": {
            "default": {
                "valid_contexts": ["help"],
                "valid_steps": ["next"],
                "initial_step": "greet",
                "post_prompt": "What was ordered?",
                "system_prompt": "You are brief.",
                "consolidate": True,
                "full_reset": True,
                "user_prompt": "Hello?",
                "isolated": True,
                "prompt": "Take the order.",
                "enter_fillers": {"en-US": ["Welcome"], "default": ["Hi"]},
                "exit_fillers": {"en-US": ["Goodbye"]},
                "history": "hide",
                "steps": [
                    {
                        "name": "greet",
                        "text": "Greet the caller.",
                        "step_criteria": "greeted",
                        "functions": ["look_up"],
                        "valid_steps": ["ask", "next"],
                        "valid_contexts": ["help"],
                        "skip_user_turn": True,
                        "skip_to_next_step": True,
                        "history": "keep",
                    },
                    {
                        "name": "ask",
                        "text": "Ask what they want.",
                        "functions": "none",
                        "gather_info": {
                            "output_key": "order",
                            "completion_action": "next_step",
                            "prompt": "Ask one by one.",
                            "isolated": True,
                            "questions": [
                                {"key": "size", "question": "Which size?"},
                                {
                                    "key": "count",
                                    "question": "How many?",
                                    "type": "integer",
                                    "confirm": True,
                                    "prompt": "Be exact.",
                                    "functions": ["look_up"],
                                    "isolated": False,
                                },
                            ],
                        },
                    },
                    {
                        "name": "done",
                        "text": "Say goodbye.",
                        "end": True,
                        "reset": {
                            "system_prompt": "Be polite.",
                            "user_prompt": "Bye",
                            "consolidate": True,
                            "full_reset": True,
                        },
                    },
                ],
            },
            "help": {
                "sections": [
                    {"title": "Task", "body": "Explain the menu."},
                    {"title": "Manner", "bullets": ["Slowly", "Kindly"]},
                ],
                "steps": [{"name": "explain", "text": "Explain."}],
            },
        },
    },
    "functions": {"look_up": {"description": "Look it up", "secure": False, "handler": REPLY}},
}


def plain() -> AgentBase:
    """Little, with what the SDK does by itself switched off, and URLs of others."""
    agent = sdk_agent(auto_answer=False, record_call=True)
    agent.set_prompt_text("You listen.")
    agent.set_post_prompt("Summarise.")
    agent.set_post_prompt_url("https://crm.example.com/summaries")
    agent.set_web_hook_url("https://functions.example.com/swaig")
    agent.define_tool("theirs", "Answered there", {}, handler, secure=False)
    agent.define_tool("ours", "Answered here", {}, handler)
    return agent


PLAIN: dict[str, Any] = {
    "prompt": {"text": "You listen."},
    "auto_answer": False,
    "record_call": True,
    "post_prompt": "Summarise.",
    "post_prompt_url": "https://crm.example.com/summaries",
    "web_hook_url": "https://functions.example.com/swaig",
    "functions": {
        "theirs": {"description": "Answered there", "secure": False, "handler": {"webhook": {"direct": True}}},
        "ours": {"description": "Answered here", "handler": REPLY},
    },
}


@pytest.mark.parametrize(
    ("agent", "definition"), [(full, FULL), (with_contexts, CONTEXTS), (plain, PLAIN)], ids=["full", "steps", "plain"]
)
def test_the_sdks_agent_and_its_stored_twin_have_the_same_document(agent: Any, definition: dict[str, Any]) -> None:
    given = copy.deepcopy(definition)
    expected, rendered = without_urls(theirs(agent())), without_urls(ours(definition))
    assert rendered == expected
    assert definition == given  # nothing of what was given is changed on the way

    def order(document: dict[str, Any]) -> list[Any]:
        """What is read in its order: verbs, the keys of the ai verb and of SWAIG, functions and their keys."""
        ai = next(verb["ai"] for verb in document["sections"]["main"] if "ai" in verb)
        functions = ai["SWAIG"]["functions"]
        return [list(ai), list(ai["SWAIG"]), [list(function) for function in functions]]

    assert order(rendered)[0] == order(expected)[0]
    assert order(rendered)[1] == order(expected)[1]


def test_the_comparison_would_notice_a_difference() -> None:
    changed = {**PLAIN, "prompt": {"text": "You listen well."}}
    assert without_urls(ours(changed)) != without_urls(theirs(plain()))
