"""`manage.py token`: tokens for scripts."""

from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User

from registry.actions.people import get_user
from registry.actions.tokens import create_token, revoke_token, state_of
from registry.management.command import VerbCommand
from registry.models import ApiToken
from registry.policy import SCOPES


class Command(VerbCommand):
    """Tokens."""

    help = "Make, list and revoke the tokens with which scripts use the API and the live log."

    def verbs(self, add: Callable[..., ArgumentParser]) -> None:
        """create NAME --scope …, list, revoke KEY"""
        command = add("create", help="make a token; it is shown this once")
        command.add_argument("name", help="what it is for")
        command.add_argument("--scope", choices=SCOPES, required=True, help="how much it opens")
        lifetime = command.add_mutually_exclusive_group()
        lifetime.add_argument("--days", type=int, default=90, help="how long it lives (90)")
        lifetime.add_argument("--forever", action="store_true", help="until it is revoked")
        command.add_argument("--owner", metavar="USERNAME", help="it may never more than this person may")
        add("list", help="list the tokens")
        add("revoke", help="refuse a token from now on").add_argument("key", help="such as swb_abc…")

    def run_create(self, options: dict[str, Any]) -> dict[str, Any]:
        """Make one."""
        owner: User | None = get_user(options["owner"]) if options["owner"] else None
        days = None if options["forever"] else options["days"]
        made = create_token(options["name"], options["scope"], by=self.actor, days=days, owner=owner)
        end = f"until {made.token.expires:%Y-%m-%d}" if made.token.expires else "until it is revoked"
        self.say(f"Token {made.token.name}, scope {made.token.scope}, good {end}. Shown this once:")
        self.say(made.text)
        return described(made.token) | {"token": made.text}

    def run_list(self, _options: dict[str, Any]) -> list[dict[str, Any]]:
        """List them."""
        rows = [described(token) for token in ApiToken.objects.select_related("owner")]
        if not rows:
            self.say("There is no token: python3 manage.py token create NAME --scope read")
            return rows
        columns = ["key", "name", "scope", "owner", "state", "expires", "last_used"]
        table = [[column.replace("_", " ").upper() for column in columns]]
        self.table([*table, *([in_words(row[column]) for column in columns] for row in rows)])
        return rows

    def run_revoke(self, options: dict[str, Any]) -> dict[str, Any]:
        """Revoke one."""
        token, changed = revoke_token(options["key"], by=self.actor)
        self.say(f"Token {token.key} ({token.name}) is revoked{'' if changed else ' already'}.")
        return described(token) | {"changed": changed}


def described(token: ApiToken) -> dict[str, Any]:
    """A token without its digest."""
    return {
        "key": token.key,
        "name": token.name,
        "scope": token.scope,
        "owner": token.owner.username if token.owner else None,
        "state": state_of(token),
        "created": token.created,
        "expires": token.expires,
        "last_used": token.last_used,
    }


def in_words(value: Any) -> str:
    """A cell of the list."""
    if value is None:
        return "-"
    return f"{value:%Y-%m-%d %H:%M}" if hasattr(value, "strftime") else str(value)
