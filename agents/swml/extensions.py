"""What the SDK writes into documents and its own schema.json refuses, each difference with a name."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

TEXT = {"type": "string"}
TEXTS = {"type": "array", "items": TEXT}
FLAG = {"type": "boolean"}
OBJECT = {"type": "object"}
ONE_OR_MORE = {"anyOf": [TEXT, TEXTS]}
POSITIVE = {"type": "integer", "minimum": 1}
PRESENT = {"anyOf": [FLAG, {"$ref": "#/$defs/SWMLVar"}, OBJECT]}  # of an action whose key alone says it all
NUMBER_AS_TEXT = {"type": "string", "pattern": "^[0-9]+$"}
FLAG_AS_TEXT = {"enum": ["true", "false"]}
HISTORY = {"enum": ["keep", "default", "hide"]}
FILLERS = {"$ref": "#/$defs/FunctionFillers"}
CONTEXT_FILLERS = {"anyOf": [FILLERS, {"type": "array", "items": FILLERS}]}

STEPS = ("ContextPOMSteps", "ContextTextSteps")
CONTEXTS = ("ContextsPOMObject", "ContextsTextObject")
LLM_PROMPTS = ("AIPromptText", "AIPromptPom", "AIPostPromptText", "AIPostPromptPom")
BEDROCK_PROMPTS = tuple(f"OmitPropertiesBedrockPrompt{form}OmittedPromptProps" for form in ("Text", "Pom"))
NATIVE_FUNCTIONS = ("check_time", "wait_seconds", "wait_for_user", "adjust_response_latency")


class Extension(NamedTuple):
    """One difference: its name, and what it changes in the schema.

    `changes` maps places in `$defs` to what stands there instead: None removes it, `-` is behind a list's end.
    """

    name: str
    changes: Mapping[str, Any]


def closed(required: Mapping[str, Any], optional: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The schema of an object that has no other keys."""
    properties = {**required, **(optional or {})}
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def in_all(definitions: Iterable[str], properties: Mapping[str, Any]) -> dict[str, Any]:
    """The same properties for several definitions."""
    return {f"{name}/properties/{word}": schema for name in definitions for word, schema in properties.items()}


MCP_SERVER = closed({"url": TEXT}, {"headers": OBJECT, "resources": FLAG, "resource_vars": OBJECT})
QUESTION = closed(
    {"key": TEXT, "question": TEXT},
    {"type": TEXT, "confirm": FLAG, "prompt": TEXT, "functions": TEXTS, "isolated": FLAG},
)
GATHER_INFO = closed(
    {"questions": {"type": "array", "items": QUESTION, "minItems": 1}},
    {"prompt": TEXT, "output_key": TEXT, "completion_action": TEXT, "isolated": FLAG},
)
RESET = closed({}, {"system_prompt": TEXT, "user_prompt": TEXT, "consolidate": FLAG, "full_reset": FLAG})
GATE = closed(
    {
        "question": {"type": "string", "minLength": 1},
        "threshold": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "on_fail": {"$ref": "#/$defs/Output", "required": ["response"]},
    },
    {
        "id": {"type": "string", "pattern": "^[A-Za-z0-9_]{1,64}$"},
        "criteria": {**closed({}, {"true": TEXT, "false": TEXT}), "minProperties": 1},
        "visual_input": {"anyOf": [FLAG, {"type": "integer", "minimum": 0, "maximum": 5}]},
    },
)
CONTEXT_SWITCH = closed(
    {},
    {
        "system_prompt": TEXT,
        "user_prompt": TEXT,
        "system_pom": {"type": "array"},
        "user_pom": {"type": "array"},
        "consolidate": FLAG,
        "full_reset": FLAG,
    },
)

# Above each: what of the SDK writes it, below signalwire/.
EXTENSIONS = (
    # core/mixins/ai_config_mixin.py add_mcp_server
    Extension(
        "mcp servers",
        {"SWAIG/properties/mcp_servers": {"type": "array", "items": MCP_SERVER}},
    ),
    # _docs/docs/api_reference.md set_native_functions
    Extension(
        "native functions",
        {"SWAIGNativeFunction/enum": [*NATIVE_FUNCTIONS, "transfer", "hangup", "send_sms"]},
    ),
    # core/agent_base.py _render_swml, with use_pom and no section
    Extension(
        "empty prompt",
        {f"{name}/properties/pom/minItems": None for name in ("AIPromptPom", BEDROCK_PROMPTS[1])},
    ),
    # core/mixins/prompt_mixin.py prompt_add_section without body and bullets
    Extension(
        "sections of a title",
        {
            "POM": {"$ref": "#/$defs/PomSectionBodyContent"},
            "PomSectionBodyContent/required": None,
            "PomSectionBodyContent/minProperties": 1,
        },
    ),
    # core/mixins/ai_config_mixin.py set_prompt_llm_params, set_post_prompt_llm_params: any key
    Extension(
        "llm parameters",
        {f"{name}/additionalProperties": None for name in LLM_PROMPTS}
        | in_all(LLM_PROMPTS, {"model": TEXT, "barge_confidence": {"type": "number"}}),
    ),
    # core/mixins/ai_config_mixin.py add_language, set_language_params: any key, the engine's own
    Extension(
        "language parameters",
        {"LanguageParams/additionalProperties": None},
    ),
    # core/mixins/tool_mixin.py define_tool, ai_config_mixin.py set_internal_fillers: any languages, wait scripts
    Extension(
        "fillers",
        {"FunctionFillers": {"type": "object", "additionalProperties": {"type": "array", "items": ONE_OR_MORE}}},
    ),
    # core/swaig_function.py _ensure_parameter_structure: any JSON Schema (agents.definition checks that it is one)
    Extension(
        "function parameters",
        {
            "FunctionParameters/additionalProperties": None,
            "FunctionParameters/properties/properties/additionalProperties": OBJECT,
        },
    ),
    # core/mixins/tool_mixin.py define_tool, its swaig_fields
    Extension(
        "function credentials",
        in_all(["UserSWAIGFunction"], {"web_hook_auth_user": TEXT, "web_hook_auth_password": TEXT}),
    ),
    # core/semantic_gate.py, from define_tool and DataMap.gate
    Extension(
        "gates",
        in_all(
            ["UserSWAIGFunction"],
            {"gates": {"type": "array", "items": GATE, "minItems": 1, "maxItems": 8}, "gate_fillers": FILLERS},
        ),
    ),
    # core/contexts.py Step.set_functions
    Extension(
        "functions none",
        in_all(STEPS, {"functions": {"anyOf": [TEXTS, {"const": "none"}]}}),
    ),
    # core/contexts.py Step.set_skip_to_next_step
    Extension("step skip", in_all(STEPS, {"skip_to_next_step": FLAG})),
    # core/contexts.py Step.set_history
    Extension("step history", in_all(STEPS, {"history": HISTORY})),
    # core/contexts.py Step.set_reset_system_prompt, …
    Extension("step reset", in_all(STEPS, {"reset": RESET})),
    # core/contexts.py Step.set_gather_info
    Extension("gather info", in_all(STEPS, {"gather_info": GATHER_INFO})),
    # core/contexts.py Context.to_dict
    Extension(
        "context entry",
        in_all(
            CONTEXTS,
            {
                **dict.fromkeys(("prompt", "system_prompt", "user_prompt", "post_prompt", "initial_step"), TEXT),
                **dict.fromkeys(("valid_contexts", "valid_steps"), TEXTS),
                **dict.fromkeys(("consolidate", "full_reset"), FLAG),
                "history": HISTORY,
            },
        ),
    ),
    # core/contexts.py Context.set_enter_fillers, set_exit_fillers
    Extension(
        "context fillers",
        in_all(CONTEXTS, {"enter_fillers": CONTEXT_FILLERS, "exit_fillers": CONTEXT_FILLERS}),
    ),
    # core/contexts.py ContextBuilder.validate: only a single context must be named so
    Extension(
        "contexts without default",
        {"Contexts/required": None, "Contexts/anyOf": [{"required": ["default"]}, {"minProperties": 2}]},
    ),
    # core/function_result.py FunctionResult.to_dict
    Extension(
        "outputs",
        {
            "Output/properties/response": {"anyOf": [TEXT, closed({"tool_result": TEXT}, {"tool_prompt": TEXT})]},
            "Output/properties/post_process": FLAG,
            "Output/required": None,
            "Output/anyOf": [{"required": ["response"]}, {"required": ["action"]}],
        },
    ),
    # core/data_map.py DataMap.expression, its nomatch_output
    Extension(
        "expressions",
        {"Expression/properties/nomatch-output": {"$ref": "#/$defs/Output"}},
    ),
    # core/data_map.py DataMap.webhook
    Extension(
        "webhooks",
        {"Webhook/properties/form_param": TEXT, "Webhook/properties/method/anyOf/-": {"const": "PATCH"}},
    ),
    # core/data_map.py DataMap.global_error_keys
    Extension(
        "error keys",
        {"DataMap/properties/error_keys": ONE_OR_MORE},
    ),
    # core/function_result.py connect, swml_transfer, execute_swml: beside SWML; swaig_actions_generated.py: alone
    Extension(
        "transfer",
        {
            "Action/maxProperties": None,
            "Action/properties/transfer": {"anyOf": [TEXT, FLAG, closed({"dest": TEXT}, {"summarize": FLAG})]},
        },
    ),
    # core/function_result.py, core/swaig_actions_generated.py
    Extension(
        "actions",
        in_all(
            ["Action"],
            {
                "add_dynamic_hints": {"type": "array", "items": {"anyOf": [TEXT, OBJECT]}},
                "back_to_back_functions": {"anyOf": [FLAG, {"const": "forever"}]},
                "change_voice": TEXT,
                "clear_dynamic_hints": PRESENT,
                "end_of_speech_timeout": POSITIVE,
                "extensive_data": FLAG,
                "functions_on_speaker_timeout": FLAG,
                "replace_in_history": {"anyOf": [TEXT, FLAG]},
                "settings": OBJECT,
                "speech_event_timeout": POSITIVE,
                "user_event": OBJECT,
                "wait_for_user": {"anyOf": [FLAG, {"type": "integer"}, {"const": "answer_first"}]},
            },
        ),
    ),
    # core/function_result.py switch_context, hold, play_background_file, remove_global_data, remove_metadata;
    # core/swaig_actions_generated.py
    Extension(
        "forms of actions",
        {
            "HoldAction/properties/hold/anyOf/-": TEXT,
            "HoldAction/properties/hold/anyOf/2/properties/step": TEXT,
            "HoldAction/properties/hold/anyOf/2/properties/timeout_step": TEXT,
        }
        | in_all(
            ["Action"],
            {
                **dict.fromkeys(("hangup", "stop", "stop_playback_bg"), PRESENT),
                **dict.fromkeys(("unset_global_data", "unset_meta_data"), ONE_OR_MORE),
                "context_switch": {"anyOf": [TEXT, CONTEXT_SWITCH]},
                "playback_bg": {"anyOf": [TEXT, {"$ref": "#/$defs/PlaybackBGAction/properties/playback_bg"}]},
            },
        ),
    ),
    # core/function_result.py execute_rpc, rpc_dial, rpc_ai_message, rpc_ai_unhold
    Extension(
        "execute_rpc",
        in_all(
            ["SWMLMethod"],
            {"execute_rpc": closed({"method": TEXT}, {"params": OBJECT, "call_id": TEXT, "node_id": TEXT})},
        ),
    ),
    # core/function_result.py join_conference
    Extension(
        "conference by name",
        {
            "JoinConference/properties/join_conference": {
                "anyOf": [{"$ref": "#/$defs/JoinConferenceObject"}, TEXT],
            }
        },
    ),
    # core/function_result.py pay: numbers and booleans as texts
    Extension(
        "pay in texts",
        {
            f"Pay/properties/pay/properties/{word}/anyOf/-": as_text
            for word, as_text in {
                "timeout": NUMBER_AS_TEXT,
                "max_attempts": NUMBER_AS_TEXT,
                "min_postal_code_length": NUMBER_AS_TEXT,
                "security_code": FLAG_AS_TEXT,
            }.items()
        },
    ),
    # agents/bedrock.py _render_swml: the ai verb's SWAIG as it is
    Extension(
        "bedrock functions",
        {"AmazonBedrockObject/properties/SWAIG": {"$ref": "#/$defs/SWAIG"}},
    ),
    # agents/bedrock.py BedrockAgent: 0 to 2
    Extension(
        "bedrock temperature",
        {f"{name}/properties/temperature/maximum": 2 for name in BEDROCK_PROMPTS},
    ),
)


def extend(definitions: dict[str, Any], extensions: Iterable[Extension]) -> None:
    """Change definitions in place."""
    for extension in extensions:
        for place, value in extension.changes.items():
            *steps, last = place.split("/")
            part: Any = definitions
            for step in steps:
                part = part[int(step)] if isinstance(part, list) else part[step]
            if isinstance(part, list):
                part.append(value)
            elif value is None:
                part.pop(last, None)
            else:
                part[last] = value
