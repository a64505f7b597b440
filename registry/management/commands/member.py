"""`manage.py member`: people, their roles, and the links with which they sign in."""

from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User

from registry.actions import people
from registry.management.command import VerbCommand
from registry.policy import ROLES

NONE = "none"
ROLE_NAMES = [name.lower() for name in ROLES]


class Command(VerbCommand):
    """People."""

    help = "Add and list people, give them roles, switch accounts off and on, print sign-in links."

    def verbs(self, add: Callable[..., ArgumentParser]) -> None:
        """add NAME --role …, list, role NAME ROLE, off NAME, on NAME, link NAME"""
        command = add("add", help="make an account, and print its sign-in link")
        command.add_argument("name")
        command.add_argument("--role", choices=ROLE_NAMES, required=True)
        command.add_argument("--staff", action="store_true", help="may use the Django admin")
        command.add_argument("--email", default="")
        add("list", help="list the accounts")
        command = add("role", help="give somebody this role and no other")
        command.add_argument("name")
        command.add_argument("role", choices=[*ROLE_NAMES, NONE])
        add("off", help="switch an account off, its sessions and tokens with it").add_argument("name")
        add("on", help="switch it on again").add_argument("name")
        add("link", help="print a link that signs somebody in, once").add_argument("name")

    def run_add(self, options: dict[str, Any]) -> dict[str, Any]:
        """Make an account."""
        name = options["name"]
        member = people.add_member(name, options["role"], by=self.actor, staff=options["staff"], email=options["email"])
        self.say(f"Added {name}, {people.given_role(member)}{', staff' if member.is_staff else ''}.")
        return described(member) | self.run_link(options)

    def run_list(self, _options: dict[str, Any]) -> list[dict[str, Any]]:
        """List them."""
        rows = [described(member) for member in User.objects.prefetch_related("groups").order_by("username")]
        table = [["NAME", "ROLE", "STATE", "STAFF", "EMAIL", "LAST SIGN-IN"]]
        for row in rows:
            state, staff = "on" if row["active"] else "off", "staff" if row["staff"] else "-"
            came = f"{row['last_login']:%Y-%m-%d %H:%M}" if row["last_login"] else "-"
            table.append([row["name"], row["role"] or "-", state, staff, row["email"] or "-", came])
        self.table(table)
        return rows

    def run_role(self, options: dict[str, Any]) -> dict[str, Any]:
        """Give a role, or none."""
        name, role = options["name"], None if options["role"] == NONE else options["role"]
        changed = people.set_role(name, role, by=self.actor)
        what = f"has the role {people.role_named(role)}" if role else "has no role"
        self.say(f"{name} {what}{'' if changed else ' already'}.")
        return described(people.get_user(name)) | {"changed": changed}

    def run_off(self, options: dict[str, Any]) -> dict[str, Any]:
        """Switch an account off."""
        return self.switch(options["name"], False)

    def run_on(self, options: dict[str, Any]) -> dict[str, Any]:
        """Switch it on."""
        return self.switch(options["name"], True)

    def run_link(self, options: dict[str, Any]) -> dict[str, Any]:
        """Print a sign-in link."""
        name = options["name"]
        link = settings.PUBLIC_URL + people.make_sign_in_link(name, by=self.actor)
        hours = settings.PASSWORD_RESET_TIMEOUT // 3600
        self.say(f"This signs {name} in, once, within {hours} hours:")
        self.say(link)
        if not settings.PUBLIC_URL:
            self.say("Put the server's address before it, such as http://127.0.0.1:8000 (PUBLIC_URL is not set here).")
        return {"name": name, "link": link}

    def switch(self, name: str, active: bool) -> dict[str, Any]:
        """Switch an account."""
        changed = people.set_active(name, active, by=self.actor)
        what = "on" if active else "off: its sessions and tokens are refused"
        self.say(f"{name} is switched {what}{'' if changed else ' already'}.")
        return described(people.get_user(name)) | {"changed": changed}


def described(member: User) -> dict[str, Any]:
    """An account."""
    return {
        "name": member.username,
        "role": people.given_role(member),
        "active": member.is_active,
        "staff": member.is_staff,
        "email": member.email,
        "last_login": member.last_login,
    }
