"""Sessions, kept as Django keeps them (SESSION_ENGINE): one that cannot be read is nobody's, for pages and for sockets.

Django and Channels take what a cookie and a row say for granted: a NUL in the one, and a backend that knows no users or
a user's id that is none in the other, would be an error with every request until the browser forgets its cookie.
"""

import re
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, SESSION_KEY, load_backend
from django.contrib.sessions.backends import db

KEY = re.compile(r"[a-z0-9]{8,40}", re.ASCII)  # what Django makes has 32, the column has room for 40
USER_ID = re.compile(r"[0-9]{1,18}", re.ASCII)  # as a session has it: text


class SessionStore(db.SessionStore):
    """Of this name, because it is part of what session data is signed with."""

    def _validate_session_key(self, key: Any) -> bool:
        """Whether there may be such a session; else it is as if no cookie had come."""
        return isinstance(key, str) and KEY.fullmatch(key) is not None

    def decode(self, session_data: bytes | str) -> dict[str, Any]:
        """What a session has; nothing if it is not known who signed in with it."""
        data = super().decode(session_data)
        return data if isinstance(data, dict) and can_be_asked_for(data) else {}


def can_be_asked_for(data: dict[str, Any]) -> bool:
    """Whether the user that a session names, if it does, is one that its backend can be asked for."""
    if SESSION_KEY not in data:
        return True
    user, backend = data[SESSION_KEY], data.get(BACKEND_SESSION_KEY)
    return (
        isinstance(user, str)
        and USER_ID.fullmatch(user) is not None
        and backend in settings.AUTHENTICATION_BACKENDS
        and hasattr(load_backend(backend), "get_user")  # axes' only counts attempts
    )
