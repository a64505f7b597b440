"""The definition of a stored agent, in SWML's own words (https://developer.signalwire.com/swml/methods/ai)."""

from agents.definition.agent import MAX_DEFINITION_BYTES, AgentDefinition, deeper_than
from agents.definition.contexts import Context, ContextStep
from agents.definition.functions import (
    FUNCTION_NAME,
    DataMapHandler,
    Function,
    Match,
    MatchHandler,
    Outcome,
    Webhook,
    WebhookHandler,
    validator_for,
)
from agents.definition.prompts import ModelWords, PostPrompt, Prompt, Section
from agents.definition.speech import Language

__all__ = [
    "FUNCTION_NAME",
    "MAX_DEFINITION_BYTES",
    "AgentDefinition",
    "Context",
    "ContextStep",
    "DataMapHandler",
    "Function",
    "Language",
    "Match",
    "MatchHandler",
    "ModelWords",
    "Outcome",
    "PostPrompt",
    "Prompt",
    "Section",
    "Webhook",
    "WebhookHandler",
    "deeper_than",
    "validator_for",
]
