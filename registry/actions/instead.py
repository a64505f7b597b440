"""What an agent can have instead of a secret of its own."""

from enum import Enum
from typing import Final


class Instead(Enum):
    """Where there is no value to give."""

    FLEET = "fleet"  # whatever the fleet has
    NOTHING = "nothing"  # of a remote agent's server: it wants no credentials


FLEET: Final = Instead.FLEET
NOTHING: Final = Instead.NOTHING
