"""Which environment variables agents' definitions may refer to, as `env:NAME`."""

import os
from collections.abc import Mapping
from fnmatch import fnmatchcase

from django.conf import settings


def is_allowed(name: str) -> bool:
    """Whether AGENT_SECRETS names it: else whoever may register an agent could read the server's own secrets."""
    return any(fnmatchcase(name, pattern) for pattern in settings.AGENT_SECRETS)


def environment() -> Mapping[str, str]:
    """The variables that this process has and definitions may refer to."""
    return {name: value for name, value in os.environ.items() if is_allowed(name)}
