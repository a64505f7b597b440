"""People of a role in front of the console, and what its pages say."""

import re
from typing import Any

from django.test import Client

from tests.registry.api.conftest import person


def signed_in(role: str, name: str = "") -> Client:
    """Somebody's browser. An error of a view is a page here, as it is for everybody."""
    client = Client(raise_request_exception=False)
    client.force_login(person(name or role.lower(), role))
    return client


def html_of(answer: Any) -> str:
    """A page with its marks. A new line of its template is a space, as in a browser, but in `pre` and `textarea`."""
    parts = re.split(r"(<(?:pre|textarea)\b.*?</(?:pre|textarea)>)", answer.content.decode(), flags=re.DOTALL)
    return "".join(part if number % 2 else re.sub(r"\s*\n\s*", " ", part) for number, part in enumerate(parts))


def words_of(answer: Any) -> str:
    """What a page says, without its marks."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html_of(answer)))
