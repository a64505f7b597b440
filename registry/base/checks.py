"""What the parts of a process say of themselves: a state that programs compare, and words for people."""

from typing import NamedTuple


class Check(NamedTuple):
    """One part. What its states are called is said where it is made; "ok" is the one that all have."""

    state: str
    detail: str = ""  # for people; "" = the state says it all

    @property
    def ok(self) -> bool:
        """Whether there is nothing to say of it."""
        return self.state == "ok"

    def __str__(self) -> str:
        return self.detail or self.state


OK = Check("ok")
