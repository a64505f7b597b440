"""What states and outcomes are called, and their tone: the only place that maps one to the other.

Tones: ok, warn, bad, lost (unreachable), idle, off (not in use), wait (in progress), sent (handed on).
"""

from agents.kinds import KINDS as KINDS_OF_AGENTS

STATUSES: dict[str, tuple[str, str]] = {
    # how agents are doing
    "serving": ("ok", "Serving"),
    "degraded": ("warn", "Degraded"),
    "failing": ("bad", "Failing"),
    "down": ("bad", "Down"),
    "shaky": ("warn", "Shaky"),
    "on_air": ("ok", "Answers"),
    "paused": ("idle", "Paused"),
    "trashed": ("off", "In the trash"),
    # outcomes of requests
    "ok": ("ok", "Answered"),
    "fallback": ("warn", "Fallback"),
    "redirect": ("sent", "Redirected"),
    "refused": ("warn", "Refused"),
    "denied": ("warn", "Denied"),
    "not_found": ("warn", "Unmatched"),
    "invalid": ("warn", "Invalid"),
    "invalid_arguments": ("warn", "Wrong arguments"),
    "unknown_function": ("warn", "No such function"),
    "timeout": ("bad", "Timed out"),
    "error": ("bad", "Error"),
    "broken": ("bad", "Cannot be served"),
    # calls
    "running": ("wait", "Running"),
    "ended": ("ok", "Ended"),
    # versions
    "live": ("ok", "Live"),
    "draft": ("wait", "Draft"),
    "retired": ("off", "Retired"),
    "unpublished": ("off", "Not published"),
    # tokens, people, workers
    "active": ("ok", "Active"),
    "expiring": ("warn", "Expiring"),
    "expired": ("off", "Expired"),
    "revoked": ("off", "Revoked"),
    "invited": ("wait", "Invited"),
    "switched_off": ("off", "Switched off"),
    "in_step": ("ok", "In step"),
    "behind": ("warn", "Behind"),
    "silent": ("lost", "Silent"),
    "unmatched": ("warn", "Unmatched"),
    # what becomes of agents that are adopted
    "register": ("wait", "To register"),
    "update": ("wait", "To update"),
    "registered": ("ok", "Registered"),
    "updated": ("ok", "Updated"),
    "skipped": ("off", "Skipped"),
    # routes
    "on": ("ok", "On"),
    "off": ("off", "Off"),
}
KINDS = {
    "swml": "SWML",
    "swaig": "SWAIG",
    "post_prompt": "post-prompt",
    "check_for_input": "check for input",
    "debug_events": "debug events",
    "sip": "SIP",
    "mcp": "MCP",
    "unmatched": "Request",
    "test": "Test",
}


def agent_kind(word: str) -> tuple[str, str]:
    """The icon and the label of an agent's kind; one that is not known is shown as it is."""
    kind = KINDS_OF_AGENTS.get(word)
    return (kind.icon, kind.label) if kind else ("circle-help", word)


def status_of(word: str) -> tuple[str, str]:
    """Tone and label; a word that is not known is shown as it is."""
    return STATUSES.get(word, ("idle", word.replace("_", " ").capitalize() or "Unknown"))
