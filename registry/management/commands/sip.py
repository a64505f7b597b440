"""`manage.py sip`: who answers which SIP name."""

import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from registry.actions import routes, sip_names
from registry.actions.effects import Unmatched, unmatched
from registry.management.command import REFUSED, VerbCommand
from registry.models import SipMapping
from registry.routing.decide import CENTRAL_SIP, decide
from registry.routing.facts import Facts
from registry.serving.loader import Loader


class Command(VerbCommand):
    """SIP names."""

    help = "Map, unmap, list and test SIP names; choose the default route for names that nobody has."

    def verbs(self, add: Callable[..., ArgumentParser]) -> None:
        """map USERNAME /route, unmap USERNAME, list, test ADDRESS, default [/route]"""
        command = add("map", help="bind a SIP name to a route")
        command.add_argument("username")
        command.add_argument("route")
        add("unmap", help="remove a SIP name").add_argument("username")
        add("list", help="list the SIP names")
        add("test", help="who answers an address, and why").add_argument("address")
        command = add("default", help="the route for names that nobody has")
        command.add_argument("route", nargs="?", help="URL path, or none; without it: say which it is")

    def run_map(self, options: dict[str, Any]) -> dict[str, Any]:
        """Bind a name."""
        change = sip_names.register_sip_username(options["username"], options["route"], by=self.actor, wait=True)
        already = "" if change.changed else " already: nothing changed"
        return self.report(change, f"{change.sip[0]} leads to {change.route} ({change.agent}){already}.")

    def run_unmap(self, options: dict[str, Any]) -> dict[str, Any]:
        """Remove a name."""
        change = sip_names.unregister_sip_username(options["username"], by=self.actor, wait=True)
        return self.report(change, f"Nobody has the SIP name {change.sip[0]} any more.")

    def run_default(self, options: dict[str, Any]) -> dict[str, Any]:
        """Choose the default route, or say which it is."""
        if options["route"] is None:
            present = unmatched()
            self.say(default_in_words(present))
            return {"agent": present.agent or None, "route": present.path or None}
        route = None if options["route"] == "none" else options["route"]
        change = routes.set_default_route(route, by=self.actor, wait=True)
        return self.report(change, default_in_words(unmatched()))

    def run_list(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        """List the names."""
        rows = [
            {
                "username": mapping.username,
                "typed": mapping.typed,
                "route": mapping.route.path,
                "agent": mapping.route.agent.name,
                "source": mapping.source,
            }
            for mapping in SipMapping.objects.select_related("route__agent")
        ]
        self.table(
            [
                ["USERNAME", "ROUTE", "AGENT", "SOURCE"],
                *([r["username"], r["route"], r["agent"], r["source"]] for r in rows),
            ]
        )
        self.say(default_in_words(unmatched()))
        return rows

    def run_test(self, options: dict[str, Any]) -> dict[str, Any]:
        """Decide as `POST /sip` would, and say each step."""
        decision = decide(Loader().next(None), Facts(CENTRAL_SIP, dialled=options["address"]), time.time())
        for step in decision.steps:
            self.say(f"  {'ok  ' if step.ok else 'FAIL'}  {step.rule}: {step.detail}")
        agent = decision.agent.name if decision.agent else None
        self.say(f"{options['address']} is answered by {agent}." if agent else f"Nobody answers {options['address']}.")
        self.exit_code = 0 if agent else REFUSED
        steps = [{"rule": step.rule, "detail": step.detail, "ok": step.ok} for step in decision.steps]
        return {
            "address": options["address"],
            "username": decision.sip_user,
            "outcome": decision.outcome,
            "agent": agent,
            "route": decision.route.path if decision.route else None,
            "fallback": decision.fallback,
            "steps": steps,
        }


def default_in_words(unmatched: Unmatched) -> str:
    """Who takes the calls to SIP names that nobody has."""
    if unmatched.is_off:
        return f"The default route {unmatched.path} ({unmatched.agent}) is switched off: other SIP names get 404."
    return f"SIP names that nobody has lead to {unmatched}." if unmatched.answers else "There is no default route."
