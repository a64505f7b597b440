"""SWML held to the SDK's schema: what the SDK writes is right, what is wrong is named with its field."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import jsonschema_rs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.swml.checker import MAX_PROBLEMS, Problem, document_problems, verb_problems
from agents.swml.extensions import EXTENSIONS
from agents.swml.findings import MAX_SHOWN
from agents.swml.schema import compiled, definitions_with, stock, verbs
from tests.agents.strategies import json_values, nested, quick

os.environ["SIGNALWIRE_LOG_MODE"] = "off"

from signalwire import AgentBase, DataMap, FunctionResult
from signalwire.agents.bedrock import BedrockAgent
from signalwire.core.contexts import Context, ContextBuilder, Step
from signalwire.core.semantic_gate import SemanticGate

PROMPT = {"text": "You answer the telephone."}


def document(verb: str, config: Any) -> dict[str, Any]:
    """A document of one verb."""
    return {"version": "1.0.0", "sections": {"main": [{verb: config}]}}


@cache
def stock_validator() -> jsonschema_rs.Validator:
    """The SDK's schema, as it is."""
    return jsonschema_rs.validator_for(stock(), offline=True)


@cache
def plain_validator() -> jsonschema_rs.Validator:
    """Our form of it, without extensions."""
    return compiled(definitions_with(()))


def assert_right(found: Any) -> None:
    """Nothing is wrong; and without extensions we say what the SDK's schema says."""
    assert document_problems(found) == []
    assert stock_validator().is_valid(found) == plain_validator().is_valid(found)


# --- all that the SDK writes is right ---------------------------------------------------------------------------------


def handler(args: Any, raw: Any) -> None:
    """A function's."""


def agent(**options: Any) -> AgentBase:
    """An agent with a prompt."""
    made = AgentBase(name="twin", route="/twin", basic_auth=("u", "p"), **options)
    made.prompt_add_section("Role", "You answer the telephone.")
    return made


def rendered(made: AgentBase) -> Any:
    """Its document."""
    return orjson.loads(made._render_swml(call_id="C1"))


def every_setting(made: AgentBase) -> None:
    made.prompt_add_section("Rules", bullets=["One", "Two"], numbered=True, numbered_bullets=True)
    made.prompt_add_section("Only a title")
    made.prompt_add_section("Above others", subsections=[{"title": "Below", "body": "Text"}])
    made.prompt_add_to_section("Rules", body="Text", bullets=["Three"])
    made.prompt_add_subsection("Rules", "Sub", body="Text", bullets=["Four"])
    made.set_post_prompt("Summarise.")
    made.set_prompt_llm_params(model="nova-micro", temperature=0.3, barge_confidence=0.5, top_k=3)
    made.set_post_prompt_llm_params(model="gpt-4o-mini", max_tokens=100, reasoning={"effort": "low"})
    made.add_hint("Acme")
    made.add_hints(["One", "Two"])
    made.add_pattern_hint("swml", "s w m l", "SWML", ignore_case=True)
    made.add_pronunciation("API", "A P I", ignore_case=True)
    made.set_params({"ai_model": "gpt-4.1-mini", "attention_timeout": 0, "something_new": [1]})
    made.set_semantic_gates(enabled=True, timeout_ms=900, history=3)
    made.set_global_data({"a": {"b": [1]}})
    made.set_native_functions(["check_time", "wait_seconds", "transfer", "hangup", "send_sms"])
    made.set_internal_fillers({"next_step": {"en-US": ["Moving on"], "pt-BR": ["Vamos"]}, "hangup": {"auto": ["Bye"]}})
    made.add_internal_filler("check_time", "gsw-CH", ["Moment"])
    made.add_function_include("https://example.com/swaig", ["a"], {"k": "v"})
    made.add_mcp_server("https://m.example.com", headers={"A": "b"}, resources=True, resource_vars={"c": "${d}"})
    made.add_mcp_server("https://m.example.com")
    made.add_swaig_query_params({"tier": "gold"})
    made.enable_debug_events(2)
    made.on_call_start(lambda raw: None)
    made.on_call_end(lambda log, raw: None)


def languages(made: AgentBase) -> None:
    made.add_language("English", "en-US", "elevenlabs.josh:turbo", speech_fillers=["um"], function_fillers=["wait"])
    made.add_language("Spanish", "es-MX", "nova", engine="openai", model="tts-1", function_fillers=["un momento"])
    made.add_language("French", "fr", "v", params={"stability": 0.5, "similarity_boost": 0.75, "style": "calm"})
    made.set_language_params("es-MX", {"speed": 1.1})


def multilingual(made: AgentBase) -> None:
    made.set_multilingual({"languages": [{"language": "en", "voice": "v"}], "allowed": ["en"], "min_switch_words": 2})


def tools(made: AgentBase) -> None:
    schema = {
        "type": "object",
        "properties": {
            "count": {"type": "integer", "minimum": 1, "enum": [1, 2]},
            "list": {"type": "array", "maxItems": 3},
            "either": {"oneOf": [{"type": "string", "maxLength": 3}, {"type": "null"}]},
            "any": {},
        },
        "required": ["count"],
        "additionalProperties": False,
    }
    made.define_tool("a", "Do a", schema, handler, fillers={"en-US": ["One"], "de": ["Eins", ["Eins", "Zwei"]]})
    made.define_tool("b", "Do b", {"x": {"type": "string"}}, handler, secure=False, required=["x"], skip_fillers=True)
    made.define_tool("c", "Do c", {}, handler, webhook_url="https://e.example.com", meta_data={"k": 1})
    made.define_tool("d", "Do d", {}, handler, web_hook_auth_user="u", web_hook_auth_password="p", meta_data_token="t")
    gate = SemanticGate("Sure?", 0.9, "No.", id="g_1", true_means="yes", false_means="no", visual_input=2)
    failed = FunctionResult(tool_result="no", tool_prompt="Ask.").update_global_data({"a": 1})
    made.define_tool(
        "e", "Do e", {}, handler, gates=[gate, SemanticGate("Really?", 1, failed)], gate_fillers={"de": ["Hm"]}
    )
    made.define_tool("f", "Do f", {}, handler, wait_file="/hold.mp3", wait_file_loops=3, active=False)


def data_maps(made: AgentBase) -> None:
    said = FunctionResult("It is ${temp}")
    silent = FunctionResult().hangup()
    full = DataMap("full").purpose("Do it").parameter("city", "string", "City", required=True, enum=["Rome"])
    full.expression("${args.city}", r"r.*", silent, nomatch_output=FunctionResult("No", post_process=True).stop())
    full.webhook(
        "POST", "https://e.example.com", {"A": "b"}, form_param="f", input_args_as_params=True, require_args=["city"]
    )
    full.body({"q": "${args.city}"}).error_keys(["error"]).output(said)
    full.webhook_expressions([{"string": "${x}", "pattern": ".*", "output": {"response": "x"}}])
    full.foreach({"input_key": "r", "output_key": "o", "max": 3, "append": "${this.t}"})
    full.webhook("PATCH", "https://e.example.com").params({"q": 1}).output(silent)
    full.global_error_keys(["http_code"]).fallback_output(FunctionResult("Sorry"))
    full.gate(SemanticGate("Sure?", 0.5, "No.")).gate_fillers({"default": ["Hm"]})
    made.register_swaig_function(full.to_swaig_function())
    bare = DataMap("bare").description("Do it").error_keys(["e"]).expression("${args.x}", "y", said)
    made.register_swaig_function(bare.to_swaig_function())


def phases(made: AgentBase) -> None:
    made.add_pre_answer_verb("play", {"urls": ["ring:us", "say:Hi"], "auto_answer": False, "status_url": "${url}"})
    made.add_pre_answer_verb("play", {"url": "${tune}", "volume": "${volume}"})
    made.add_pre_answer_verb("sleep", 500)
    made.add_pre_answer_verb("sleep", {"duration": "${time}"})
    made.add_pre_answer_verb("connect", {"to": "${to}", "call_state_url": "${url}"})
    made.add_answer_verb({"max_duration": 3600})
    made.add_post_answer_verb("denoise", {})
    made.add_post_ai_verb("hangup", {})


AGENTS: dict[str, Callable[[], AgentBase]] = {
    "without a prompt": lambda: AgentBase(name="twin", route="/twin"),
    "with a text": lambda: agent(use_pom=False),
    "without an answer": lambda: agent(auto_answer=False),
    "recorded": lambda: agent(record_call=True, record_format="wav", record_stereo=False),
    **{
        setting.__name__: lambda setting=setting: set_up(agent(), setting)
        for setting in (every_setting, languages, multilingual, tools, data_maps, phases)
    },
    "bedrock": lambda: set_up(BedrockAgent(temperature=1.9), every_setting, tools, data_maps),
    "bedrock without a prompt": BedrockAgent,
}


def set_up(made: AgentBase, *settings: Callable[[AgentBase], None]) -> AgentBase:
    """The agent with these settings made."""
    for setting in settings:
        setting(made)
    return made


@pytest.mark.parametrize("name", AGENTS)
def test_documents_of_the_sdk_are_right(name: str) -> None:
    assert_right(rendered(AGENTS[name]()))


# Every method of the SDK's builders with arguments, so that one that a newer SDK brings is missed here and is added.
STEP: dict[str, tuple[Any, ...]] = {
    "set_text": ("Say hello",),
    "set_step_criteria": ("Greeted",),
    "set_functions": ("none",),
    "set_valid_steps": (["two", "next"],),
    "set_valid_contexts": (["default", "other"],),
    "set_end": (True,),
    "set_skip_user_turn": (True,),
    "set_skip_to_next_step": (True,),
    "set_history": ("hide",),
    "set_gather_info": ("answers", "next_step", "Ask", True),
    "add_gather_question": ("age", "How old?", "integer", True, "Kindly", ["a"], False),
    "set_reset_system_prompt": ("New",),
    "set_reset_user_prompt": ("New",),
    "set_reset_consolidate": (True,),
    "set_reset_full_reset": (True,),
}
CONTEXT: dict[str, tuple[Any, ...]] = {
    "set_valid_contexts": (["other"],),
    "set_valid_steps": (["one"],),
    "set_initial_step": ("one",),
    "set_post_prompt": ("Summarise",),
    "set_system_prompt": ("System",),
    "set_consolidate": (True,),
    "set_full_reset": (True,),
    "set_user_prompt": ("User",),
    "set_history": ("keep",),
    "set_isolated": (True,),
    "set_prompt": ("Prompt",),
    "set_enter_fillers": ({"en-US": ["Hello"], "default": ["Hi"]},),
    "set_exit_fillers": ({"gsw": ["Bye"]},),
    "add_enter_filler": ("fr", ["Salut"]),
    "add_exit_filler": ("fr", ["Salut"]),
}
SECTIONS: dict[str, tuple[Any, ...]] = {"add_section": ("Title", "Body"), "add_bullets": ("More", ["One"])}
SYSTEM_SECTIONS: dict[str, tuple[Any, ...]] = {
    "add_system_section": ("Title", "Body"),
    "add_system_bullets": ("More", ["One"]),
}
SILENT = {"to_dict", "clear_sections", "add_step", "get_step", "remove_step", "move_step"}


def contexts_with(context: dict[str, tuple[Any, ...]], step: dict[str, tuple[Any, ...]]) -> Any:
    """A document with contexts on which these methods were called."""
    builder = ContextBuilder(agent())
    made = builder.add_context("default")
    first = made.add_step("one")
    for name, arguments in context.items():
        getattr(made, name)(*arguments)
    for name, arguments in step.items():
        getattr(first, name)(*arguments)
    made.add_step("two").set_text("Say bye")
    builder.add_context("other").add_step("three").set_text("Wait")
    return document("ai", {"prompt": {**PROMPT, "contexts": builder.to_dict()}})


@pytest.mark.parametrize("step", [STEP, SECTIONS])
@pytest.mark.parametrize("context", [CONTEXT, SECTIONS, SYSTEM_SECTIONS])
def test_contexts_of_the_sdk_are_right(context: dict[str, Any], step: dict[str, Any]) -> None:
    assert_right(contexts_with(context, step))


@pytest.mark.parametrize("name", CONTEXT)
def test_each_setting_of_a_context_alone_is_right(name: str) -> None:
    assert_right(contexts_with({name: CONTEXT[name]}, {"set_text": ("Say hello",)}))


def test_several_contexts_need_none_that_is_named_default() -> None:
    builder = ContextBuilder(agent())
    for name in ("sales", "support"):
        builder.add_context(name).add_step("one").set_text("Say hello")
    assert_right(document("ai", {"prompt": {**PROMPT, "contexts": builder.to_dict()}}))


SWML = {"version": "1.0.0", "sections": {"main": [{"play": {"url": "say:Hi"}}]}}
PAYMENT = [
    FunctionResult.create_payment_prompt(
        "payment-card-number",
        [
            FunctionResult.create_payment_action("Say", "Your card"),
            FunctionResult.create_payment_action("Play", "https://e.example.com/a.mp3"),
        ],
        card_type="visa",
        error_type="timeout",
    )
]
ACTIONS: dict[str, list[dict[str, Any]]] = {
    "add_action": [{"name": "back_to_back_functions", "data": "forever"}, {"name": "user_event", "data": {"a": 1}}],
    "add_actions": [{"actions": [{"say": "x"}, {"stop": True}]}],
    "add_dynamic_hints": [{"hints": ["a", {"hint": "b", "pattern": "c", "replace": "d"}]}],
    "change_voice": [{"voice": "rime.spore"}],
    "clear_dynamic_hints": [{}],
    "connect": [{"destination": "+1"}, {"destination": "+1", "final": False, "from_addr": "+2"}],
    "enable_extensive_data": [{}],
    "enable_functions_on_timeout": [{}],
    "execute_rpc": [{"method": "m"}, {"method": "m", "params": {"p": 1}, "call_id": "c", "node_id": "n"}],
    "execute_swml": [{"swml_content": SWML}, {"swml_content": SWML, "transfer": True}],
    "hangup": [{}],
    "hold": [{}, {"timeout": 9}, {"prompt": "p", "timeout": 60, "step": "s", "timeout_step": "t"}],
    "join_conference": [
        {"name": "c"},
        {"name": "c", "muted": True, "beep": "onEnter", "max_participants": 10, "wait_url": "${url}", "region": "us"},
        {"name": "c", "result": {"variable": "v", "case": {"x": [{"hangup": {}}]}}, "status_callback": "https://e/s"},
    ],
    "join_room": [{"name": "r"}],
    "pay": [
        {"payment_connector_url": "https://p"},
        {
            "payment_connector_url": "https://p",
            "status_url": "https://s",
            "charge_amount": "9.99",
            "postal_code": "12345",
            "security_code": False,
            "description": "d",
            "parameters": [FunctionResult.create_payment_parameter("a", "b")],
            "prompts": PAYMENT,
        },
    ],
    "play_background_file": [{"filename": "f.mp3"}, {"filename": "f.mp3", "wait": True}],
    "record_call": [{}, {"control_id": "c", "stereo": True, "format": "mp3", "terminators": "#", "max_length": 60}],
    "remove_global_data": [{"keys": "k"}, {"keys": ["a", "b"]}],
    "remove_metadata": [{"keys": "k"}, {"keys": ["a"]}],
    "replace_in_history": [{}, {"text": "x"}],
    "rpc_ai_global_data": [{"call_id": "c", "data": {"a": 1}}],
    "rpc_ai_message": [{"call_id": "c", "message_text": "x", "global_data": {"a": 1}}],
    "rpc_ai_unhold": [{"call_id": "c"}],
    "rpc_dial": [{"to_number": "+1", "from_number": "+2", "dest_swml": "https://d"}],
    "say": [{"text": "x"}],
    "send_sms": [
        {"to_number": "+1", "from_number": "+2", "body": "b"},
        {"to_number": "+1", "from_number": "+2", "media": ["https://m"], "tags": ["t"], "region": "us"},
    ],
    "set_end_of_speech_timeout": [{"milliseconds": 500}],
    "set_metadata": [{"data": {"k": "v"}}],
    "set_post_process": [{"post_process": True}],
    "set_response": [{"response": "x"}],
    "set_semantic_state": [{"state": {"s": 1}}],
    "set_speech_event_timeout": [{"milliseconds": 500}],
    "set_tool_response": [{"tool_result": "r", "tool_prompt": "p"}, {"tool_result": "r"}],
    "simulate_user_input": [{"text": "x"}],
    "sip_refer": [{"to_uri": "sip:a@b"}],
    "stop": [{}],
    "stop_background_file": [{}],
    "stop_record_call": [{}, {"control_id": "c"}],
    "stop_tap": [{}, {"control_id": "c"}],
    "swml_change_context": [{"context_name": "c"}],
    "swml_change_step": [{"step_name": "s"}],
    "swml_transfer": [{"dest": "https://x", "ai_response": "y"}, {"dest": "x", "ai_response": "y", "final": False}],
    "swml_user_event": [{"event_data": {"type": "t"}}],
    "switch_context": [{"system_prompt": "s"}, {"user_prompt": "u", "consolidate": True, "full_reset": True}],
    "tap": [{"uri": "wss://t"}, {"uri": "rtp://t", "control_id": "c", "codec": "PCMA", "rtp_ptime": 30}],
    "toggle_functions": [{"function_toggles": [{"function": "f", "active": False}]}],
    "update_global_data": [{"data": {"k": "v"}}],
    "update_settings": [{"settings": {"temperature": 0.5}}],
    "wait_for_user": [{}, {"enabled": False}, {"timeout": 5}, {"answer_first": True}],
}


@pytest.mark.parametrize("name", ACTIONS)
def test_results_of_functions_are_right_as_outputs_of_data_maps(name: str) -> None:
    for arguments in ACTIONS[name]:
        for result in (FunctionResult(), FunctionResult("Done.", post_process=True)):
            getattr(result, name)(**arguments)
            made = agent()
            made.register_swaig_function(DataMap("act").expression("${args.x}", "x", result).to_swaig_function())
            assert_right(rendered(made))


def public_methods(builder: type) -> set[str]:
    """Names of a class's own methods."""
    return {name for name in dir(builder) if not name.startswith("_") and callable(getattr(builder, name))}


def test_no_method_of_the_builders_is_forgotten() -> None:
    assert public_methods(Step) == STEP.keys() | SECTIONS.keys() | {"to_dict", "clear_sections"}
    assert public_methods(Context) - SILENT == CONTEXT.keys() | SECTIONS.keys() | SYSTEM_SECTIONS.keys()
    helpers = {"to_dict", "create_payment_action", "create_payment_parameter", "create_payment_prompt"}
    assert public_methods(FunctionResult) == ACTIONS.keys() | helpers


# --- each extension is needed -----------------------------------------------------------------------------------------


def function(**words: Any) -> dict[str, Any]:
    """A document whose agent has one function."""
    return document("ai", {"prompt": PROMPT, "SWAIG": {"functions": [{"function": "a", "description": "d", **words}]}})


def contexts(*, step: dict[str, Any] | None = None, **words: Any) -> dict[str, Any]:
    """A document whose agent has one context with one step."""
    context = {"steps": [{"name": "one", "text": "t", **(step or {})}], **words}
    return document("ai", {"prompt": {**PROMPT, "contexts": {"default": context}}})


def data_map(**words: Any) -> dict[str, Any]:
    """A document whose agent has a data map."""
    return function(data_map=words)


def action(**words: Any) -> dict[str, Any]:
    """A document with an action of a data map."""
    return data_map(output={"response": "r", "action": [words]})


EXPRESSION = {"string": "s", "pattern": "p", "output": {"response": "r"}}
BEDROCK = {"prompt": {"text": "t"}}
NEEDED: dict[str, list[dict[str, Any]]] = {
    "mcp servers": [document("ai", {"prompt": PROMPT, "SWAIG": {"mcp_servers": [{"url": "u", "resources": True}]}})],
    "native functions": [document("ai", {"prompt": PROMPT, "SWAIG": {"native_functions": ["transfer"]}})],
    "empty prompt": [document("ai", {"prompt": {"pom": []}}), document("amazon_bedrock", {"prompt": {"pom": []}})],
    "sections of a title": [
        document("ai", {"prompt": {"pom": [{"title": "t"}]}}),
        document("ai", {"prompt": {"pom": [{"subsections": [{"body": "b"}]}]}}),
    ],
    "llm parameters": [
        document("ai", {"prompt": {**PROMPT, "model": "m"}}),
        document("ai", {"prompt": {"pom": [{"body": "b"}], "top_k": 1}}),
        document("ai", {"prompt": PROMPT, "post_prompt": {**PROMPT, "barge_confidence": 0.5}}),
    ],
    "language parameters": [
        document("ai", {"prompt": PROMPT, "languages": [{"name": "n", "code": "c", "voice": "v", "params": {"x": 1}}]})
    ],
    "fillers": [
        function(fillers={"en-US": ["x"], "de": ["y"]}),
        function(fillers={"gsw": ["x"]}),
        function(fillers={"de": [["x", "y"]]}),
        document("ai", {"prompt": PROMPT, "SWAIG": {"internal_fillers": {"hangup": {"auto": ["x"]}}}}),
    ],
    "function parameters": [
        function(parameters={"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}}),
        function(parameters={"type": "object", "properties": {}, "additionalProperties": False}),
    ],
    "function credentials": [function(web_hook_auth_user="u"), function(web_hook_auth_password="p")],
    "gates": [function(gates=[{"question": "q", "threshold": 1, "on_fail": {"response": "r"}}])],
    "functions none": [contexts(step={"functions": "none"})],
    "step skip": [contexts(step={"skip_to_next_step": True})],
    "step history": [contexts(step={"history": "keep"})],
    "step reset": [contexts(step={"reset": {"full_reset": True}})],
    "gather info": [contexts(step={"gather_info": {"questions": [{"key": "k", "question": "q"}]}})],
    "context entry": [
        contexts(**{word: "x"}) for word in ("prompt", "system_prompt", "user_prompt", "post_prompt", "initial_step")
    ]
    + [
        contexts(valid_contexts=["x"]),
        contexts(valid_steps=["x"]),
        contexts(full_reset=True),
        contexts(history="keep"),
    ],
    "context fillers": [contexts(enter_fillers={"en-US": ["x"]}), contexts(exit_fillers={"default": ["x"]})],
    "contexts without default": [
        document("ai", {"prompt": {**PROMPT, "contexts": {"a": {"steps": []}, "b": {"steps": []}}}})
    ],
    "outputs": [
        data_map(output={"action": [{"stop": True}]}),
        data_map(output={"response": {"tool_result": "r"}}),
        data_map(output={"response": "r", "post_process": True}),
    ],
    "expressions": [data_map(expressions=[{**EXPRESSION, "nomatch-output": {"response": "r"}}])],
    "webhooks": [
        data_map(webhooks=[{"url": "u", "form_param": "f"}]),
        data_map(webhooks=[{"url": "u", "method": "PATCH"}]),
    ],
    "error keys": [data_map(error_keys=["e"])],
    "transfer": [action(SWML=SWML, transfer="true"), action(transfer="https://x"), action(transfer={"dest": "x"})],
    "actions": [
        action(add_dynamic_hints=["h"]),
        action(back_to_back_functions=True),
        action(change_voice="v"),
        action(clear_dynamic_hints={}),
        action(end_of_speech_timeout=500),
        action(extensive_data=True),
        action(functions_on_speaker_timeout=True),
        action(replace_in_history=True),
        action(settings={}),
        action(speech_event_timeout=500),
        action(user_event={}),
        action(wait_for_user="answer_first"),
    ],
    "forms of actions": [
        action(context_switch="s"),
        action(context_switch={"full_reset": True}),
        action(hangup={}),
        action(hold="5m"),
        action(hold={"timeout": 5, "step": "s"}),
        action(hold={"timeout_step": "s"}),
        action(playback_bg="f"),
        action(stop={}),
        action(stop_playback_bg={}),
        action(unset_global_data=["a"]),
        action(unset_meta_data=["a"]),
    ],
    "execute_rpc": [document("execute_rpc", {"method": "m"})],
    "conference by name": [document("join_conference", "c")],
    "pay in texts": [
        document("pay", {"payment_connector_url": "u", word: "1"})
        for word in ("timeout", "max_attempts", "min_postal_code_length")
    ]
    + [document("pay", {"payment_connector_url": "u", "security_code": "false"})],
    "bedrock functions": [
        document(
            "amazon_bedrock",
            {**BEDROCK, "SWAIG": {"functions": [{"function": "a", "description": "d", "wait_file_loops": 1}]}},
        )
    ],
    "bedrock temperature": [document("amazon_bedrock", {"prompt": {"text": "t", "temperature": 1.9}})],
}


def test_extensions_have_names_of_their_own() -> None:
    assert [extension.name for extension in EXTENSIONS] == list(NEEDED)


@pytest.mark.parametrize("name", NEEDED)
def test_an_extension_allows_what_the_schema_alone_refuses(name: str) -> None:
    others = compiled(definitions_with(extension for extension in EXTENSIONS if extension.name != name))
    for found in NEEDED[name]:
        assert_right(found)
        message = f"the SDK's schema now allows {found}: the extension {name!r} is needless"
        assert not stock_validator().is_valid(found), message
        assert not others.is_valid(found), f"another extension allows {found}"


# --- what is wrong is named -------------------------------------------------------------------------------------------


def ai(**words: Any) -> dict[str, Any]:
    """The configuration of an agent."""
    return {"prompt": PROMPT, **words}


def functions(*items: Any) -> dict[str, Any]:
    """The same with functions."""
    return ai(SWAIG={"functions": [{"function": "a", "description": "d"}, *items]})


def steps(*items: Any, **words: Any) -> dict[str, Any]:
    """The same with a context of these steps."""
    return {"prompt": {**PROMPT, "contexts": {"default": {"steps": list(items), **words}}}}


CONTEXTS = ("prompt", "contexts", "default")
A1 = ("SWAIG", "functions", 1)
URL = "must be a URL (https://…), say:…, silence:… or ring:…"
URL_OR_VARIABLE = f"{URL} or a variable such as ${{name}}"
WRONG: list[tuple[str, Any, dict[tuple[str | int, ...], str]]] = [
    ("play", {}, {(): "needs url or urls"}),
    ("play", {"url": 3}, {("url",): f"{URL_OR_VARIABLE}, not 3"}),
    ("play", {"url": "tune.mp3"}, {("url",): f'{URL_OR_VARIABLE}, not "tune.mp3"'}),
    ("play", {"urls": ["say:x", 3]}, {("urls", 1): f"{URL}, not 3"}),
    ("play", {"url": "say:x", "urls": []}, {(): "has url and urls, which exclude each other"}),
    ("play", {"url": "say:x", "volum": 3}, {("volum",): "is not a word of play; did you mean volume?"}),
    ("play", {"ulr": "say:x"}, {(): "needs url or urls", ("ulr",): "is not a word of play; did you mean url?"}),
    ("play", {"url": "say:x", "volume": 50}, {("volume",): "must be at most 40, not 50"}),
    ("play", None, {(): "must be an object, not null"}),
    ("record_call", {"format": "ogg"}, {("format",): 'must be "wav", "mp3" or "mp4", not "ogg"'}),
    ("record_call", {"stereo": "yes"}, {("stereo",): 'must be true or false or a variable such as ${name}, not "yes"'}),
    (
        "answer",
        {"max_duration": "x"},
        {("max_duration",): 'must be a whole number or a variable such as ${name}, not "x"'},
    ),
    ("answer", {"zzz": 1}, {("zzz",): "is not a word of answer"}),
    ("hangup", {"reason": "bored"}, {("reason",): 'must be "hangup", "busy" or "decline", not "bored"'}),
    ("hangup", "now", {(): 'must be an object, not "now"'}),
    ("sleep", "long", {(): 'must be an object, a whole number or a variable such as ${name}, not "long"'}),
    ("connect", {"to": 5}, {("to",): "must be a text, not 5"}),
    ("connect", {}, {(): "needs to, serial, parallel or serial_parallel"}),
    ("connect", {"to": "+1", "serial": []}, {(): "has serial and to, which exclude each other"}),
    ("connect", {"serial": [{"to": "+1"}, {"from": "+1"}]}, {("serial", 1, "to"): "is missing"}),
    ("connect", {"to": "+1", "headers": [{"name": "a"}]}, {("headers", 0, "value"): "is missing"}),
    (
        "connect",
        {"to": "+1", "call_state_events": ["rang"]},
        {("call_state_events", 0): 'must be "created", "ringing", "answered" or "ended", not "rang"'},
    ),
    ("connect", {"to": "+1", "confirm": [{"ai": {}}]}, {("confirm", 0, "ai"): "is not a word of confirm"}),
    (
        "connect",
        {"to": "+1", "result": {"case": {"x": [{"plya": {}}]}}},
        {("result", "case", "x", 0, "plya"): "is not a verb of SWML; did you mean play?"},
    ),
    ("switch", {"case": {}}, {("variable",): "is missing"}),
    (
        "switch",
        {"variable": "v", "case": {"x": [{"play": {"url": 1}}, "hangup"]}},
        {("case", "x", 0, "play", "url"): "1", ("case", "x", 1): "must be an object with one verb"},
    ),
    ("cond", [{"when": "x"}], {(0, "then"): "is missing"}),
    ("cond", [{}], {(0,): "needs when, then or else"}),
    (
        "cond",
        [{"when": "x", "then": [{"answer": {"codecs": 1}}]}],
        {(0, "then", 0, "answer", "codecs"): "must be a text, not 1"},
    ),
    ("cond", {}, {(): "must be a list, not {}"}),
    ("execute", {"params": {}}, {("dest",): "is missing"}),
    ("execute", {"dest": "a", "on_return": [{"zzz": {}}]}, {("on_return", 0, "zzz"): "is not a verb of SWML"}),
    ("goto", {"label": "a", "max": 0}, {("max",): "must be at least 1, not 0"}),
    ("send_sms", {"to_number": "+1", "from_number": "+2"}, {(): "needs body or media"}),
    ("request", {"url": "u", "method": "LOOK"}, {("method",): 'must be "GET", "POST", "PUT" or "DELETE", not "LOOK"'}),
    ("live_translate", {"action": "strat"}, {("action",): 'must be an object, "stop" or "summarize", not "strat"'}),
    (
        "live_translate",
        {"action": {"start": {"from_lang": "en", "to_lang": "de"}}},
        {("action", "start", "direction"): "is missing"},
    ),
    (
        "join_conference",
        {"name": "c", "beep": True},
        {("beep",): 'must be "true", "false", "onEnter" or "onExit", not true'},
    ),
    (
        "pay",
        {"payment_connector_url": "u", "prompts": [{"for": "x", "actions": [{"type": "Sing", "phrase": "la"}]}]},
        {("prompts", 0, "actions", 0, "type"): 'must be "Say" or "Play", not "Sing"'},
    ),
    (
        "execute_rpc",
        {"methd": "x"},
        {("method",): "is missing", ("methd",): "is not a word of execute_rpc; did you mean method?"},
    ),
    ("ai", {}, {("prompt",): "is missing"}),
    ("ai", {"prompt": {}}, {("prompt",): "needs text or pom"}),
    ("ai", {"prompt": {**PROMPT, "pom": [{"body": "b"}]}}, {("prompt",): "has pom and text, which exclude each other"}),
    (
        "ai",
        {"prompt": {"pom": [{"body": "b", "bulets": []}]}},
        {("prompt", "pom", 0, "bulets"): "is not a word of pom; did you mean bullets?"},
    ),
    ("ai", {"prompt": {**PROMPT, "temperature": 2}}, {("prompt", "temperature"): "must be at most 1.5, not 2"}),
    ("ai", ai(hints=["a", 3]), {("hints", 1): "must be a text or an object, not 3"}),
    ("ai", ai(languages=[{"name": "English", "code": "en-US"}]), {("languages", 0, "voice"): "is missing"}),
    (
        "ai",
        ai(languages=[{"name": "E", "code": "e", "voice": "v", "fillers": ["a"], "speech_fillers": ["b"]}]),
        {("languages", 0): "has fillers and speech_fillers, which exclude each other"},
    ),
    (
        "ai",
        ai(params={"attention_timeout": 5}),
        {("params", "attention_timeout"): "must be at least 10000, 0 or a variable such as ${name}, not 5"},
    ),
    (
        "ai",
        ai(params={"hard_stop_time": "soon"}),
        {("params", "hard_stop_time"): 'must be a time such as 1h30m, not "soon"'},
    ),
    (
        "ai",
        ai(SWAIG={"functons": []}),
        {("SWAIG", "functons"): "is not a word of SWAIG; did you mean functions or native_functions?"},
    ),
    ("ai", ai(SWAIG={"native_functions": ["check_tim"]}), {("SWAIG", "native_functions", 0): '"check_time"'}),
    ("ai", ai(SWAIG={"mcp_servers": [{"headers": {}}]}), {("SWAIG", "mcp_servers", 0, "url"): "is missing"}),
    ("ai", functions({"function": "b"}), {(*A1, "description"): "is missing"}),
    (
        "ai",
        functions({"function": "b", "description": "d", "wait_file_loops": []}),
        {(*A1, "wait_file_loops"): "must be a whole number or a text, not []"},
    ),
    (
        "ai",
        functions({"function": "hangup_hook", "description": "d", "skip_filers": 1}),
        {(*A1, "skip_filers"): "is not a word of functions; did you mean skip_fillers or fillers?"},
    ),
    (
        "ai",
        functions({"function": "b", "description": "d", "fillers": {"de": "Moment"}}),
        {(*A1, "fillers", "de"): 'must be a list, not "Moment"'},
    ),
    (
        "ai",
        functions(
            {
                "function": "b",
                "description": "d",
                "gates": [{"question": "q", "threshold": 0, "on_fail": {"response": "r"}}],
            }
        ),
        {(*A1, "gates", 0, "threshold"): "must be more than 0, not 0"},
    ),
    (
        "ai",
        functions({"function": "b", "description": "d", "data_map": {"output": {}}}),
        {(*A1, "data_map", "output"): "needs response or action"},
    ),
    (
        "ai",
        functions(
            {"function": "b", "description": "d", "data_map": {"output": {"response": "r", "action": [{"sya": "x"}]}}}
        ),
        {(*A1, "data_map", "output", "action", 0, "sya"): "is not a word of action; did you mean say?"},
    ),
    (
        "ai",
        functions(
            {
                "function": "b",
                "description": "d",
                "data_map": {"webhooks": [{"url": "u", "foreach": {"input_key": "a"}}]},
            }
        ),
        {
            (*A1, "data_map", "webhooks", 0, "foreach", "append"): "is missing",
            (*A1, "data_map", "webhooks", 0, "foreach", "output_key"): "is missing",
        },
    ),
    ("ai", steps({"name": "one"}), {(*CONTEXTS, "steps", 0): "needs pom or text"}),
    (
        "ai",
        steps({"name": "next", "text": "t"}),
        {(*CONTEXTS, "steps", 0, "name"): 'must be a name other than next, not "next"'},
    ),
    (
        "ai",
        steps({"name": "a", "text": "t", "functions": "all"}),
        {(*CONTEXTS, "steps", 0, "functions"): 'must be a list or "none", not "all"'},
    ),
    (
        "ai",
        steps({"name": "a", "text": "t", "history": "hid"}),
        {(*CONTEXTS, "steps", 0, "history"): 'must be "keep", "default" or "hide", not "hid"'},
    ),
    (
        "ai",
        steps({"name": "a", "text": "t", "gather_info": {"questions": [{"key": "k"}]}}),
        {(*CONTEXTS, "steps", 0, "gather_info", "questions", 0, "question"): "is missing"},
    ),
    (
        "ai",
        steps({"name": "a", "text": "t"}, inital_step="a"),
        {(*CONTEXTS, "inital_step"): "is not a word of default; did you mean initial_step or valid_steps?"},
    ),
    ("ai", {"prompt": {**PROMPT, "contexts": {"a": {"steps": []}}}}, {("prompt", "contexts"): "needs default"}),
    (
        "ai",
        {"prompt": {**PROMPT, "contexts": {"default": {"steps": []}, "b": {"steps": 3}}}},
        {("prompt", "contexts", "b", "steps"): "must be a list, not 3"},
    ),
    ("plya", {}, {(): '"plya" is not a verb of SWML; did you mean play?'}),
    ("zzzzzz", {}, {(): '"zzzzzz" is not a verb of SWML'}),
]


@pytest.mark.parametrize(("verb", "config", "expected"), WRONG)
def test_what_is_wrong_is_named_with_its_field(verb: str, config: Any, expected: dict[tuple[Any, ...], str]) -> None:
    problems = dict(verb_problems(verb, config))
    assert len(verb_problems(verb, config)) == len(problems)
    assert problems.keys() == expected.keys(), problems
    for path, words in expected.items():
        assert words in problems[path]
    assert stock_validator().is_valid(document(verb, config)) == plain_validator().is_valid(document(verb, config))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], {(): "must be an object, not []"}),
        ({"version": "1.0.0"}, {("sections",): "is missing"}),
        ({"sections": {}}, {("sections", "main"): "is missing"}),
        ({"version": "2", "sections": {"main": []}}, {("version",): 'must be "1.0.0", not "2"'}),
        (
            {"verzion": "1.0.0", "sections": {"main": []}},
            {("verzion",): "is not a word of a document; did you mean version?"},
        ),
        (
            {"sections": {"main": {}, "other": 3}},
            {("sections", "main"): "must be a list", ("sections", "other"): "a list"},
        ),
        (
            {"sections": {"main": ["hangup"]}},
            {("sections", "main", 0): 'must be an object with one verb, not "hangup"'},
        ),
        ({"sections": {"main": [{}]}}, {("sections", "main", 0): "must be an object that is not empty, not {}"}),
        (
            {"sections": {"main": [{"hangup": {}, "answer": {}}]}},
            {("sections", "main", 0): "must be an object with one key"},
        ),
        (
            {"sections": {"main": [{"answer": {}}, {"plya": {}}], "b": [{"sleep": {}}]}},
            {("sections", "main", 1, "plya"): "is not a verb", ("sections", "b", 0, "sleep", "duration"): "is missing"},
        ),
    ],
)
def test_what_is_wrong_in_a_document_is_named_from_its_root(found: Any, expected: dict[tuple[Any, ...], str]) -> None:
    problems = dict(document_problems(found))
    assert problems.keys() == expected.keys(), problems
    for path, words in expected.items():
        assert words in problems[path]


def test_many_problems_of_a_verb_are_cut_short_and_those_of_the_next_are_not() -> None:
    many = {"play": {"urls": [1] * 50, "status_url": 1}}
    problems = document_problems({"sections": {"main": [many, {"plya": {}}, many]}})
    assert len(problems) == 2 * MAX_PROBLEMS + 1
    positions = [path[-1] for path, _ in problems[1:MAX_PROBLEMS]]
    assert positions == list(range(MAX_PROBLEMS - 1))


def test_a_long_value_is_shortened() -> None:
    ((path, message),) = verb_problems("record_call", {"format": "x" * 5000})
    assert path == ("format",)
    assert len(message) < MAX_SHOWN + 50
    assert message.endswith("…")


def test_the_verbs_are_those_of_the_schema_and_one_that_the_sdk_knows_besides() -> None:
    assert {"ai", "answer", "play", "amazon_bedrock", "ai_sidecar", "execute_rpc"} <= verbs()
    assert len(verbs()) == len(stock()["$defs"]["SWMLMethod"]["anyOf"]) + 1


@pytest.mark.parametrize("config", [nested(300, 1), nested(3000, 1), object(), {1: 2}, {"url": "\ud800"}])
def test_what_is_no_json_is_a_problem_and_no_error(config: Any) -> None:
    (problem,) = verb_problems("play", config)
    assert problem.path == ()
    assert problem.message


KEYS = sorted({word for name in stock()["$defs"].values() for word in name.get("properties", ())})


@quick
@given(
    st.sampled_from(sorted(verbs())),
    st.recursive(
        json_values,
        lambda inner: st.dictionaries(st.sampled_from(KEYS), inner, max_size=4) | st.lists(inner, max_size=2),
    ),
)
def test_whatever_comes_is_checked_as_the_schema_says(verb: str, config: Any) -> None:
    problems = verb_problems(verb, config)
    assert all(isinstance(problem, Problem) and problem.message for problem in problems)
    try:
        alone = stock_validator().is_valid(document(verb, config)) if verb != "execute_rpc" else False
    except ValueError:
        assert problems[0].path == ()
    else:
        assert not (alone and problems)
        assert alone == plain_validator().is_valid(document(verb, config))


ALONE = """
import sys
from agents.swml.checker import document_problems, verb_problems
assert verb_problems("play", {"url": "say:x"}) == []
assert len(document_problems({"sections": {"main": [{"plya": {}}]}})) == 1
print([name for name in ("signalwire", "lxml", "requests", "django") if name in sys.modules])
"""


def test_checking_imports_neither_the_sdk_nor_what_it_needs() -> None:
    run = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.strip()) == (0, "[]"), run.stderr
