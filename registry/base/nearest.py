"""The name among many that another was probably meant to be: what both have in common at their ends says nothing."""

import re
from collections.abc import Iterable

from rapidfuzz import process
from rapidfuzz.distance import OSA

BETWEEN = re.compile(r"[\W_]+")  # the parts of a name
# How alike the parts have to be that differ: 1 - letters wrong, missing, too many or exchanged / letters of the longer.
NEAR = 0.65  # a letter of three, two of six
NEAR_WHOLE = 0.8  # and whole names, one of which has a part more


class Names:
    """Names that are known, ready to be compared with."""

    def __init__(self, known: Iterable[str]):
        self.parts = {name: parts_of(name) for name in sorted(known)}
        self.joined = {name: "".join(parts) for name, parts in self.parts.items()}

    def nearest(self, name: str) -> str:
        """The known name that is most like this one; "" if none is near."""
        wanted = parts_of(name)
        if not wanted:
            return ""
        # Parts in common only make names more alike: none is near that is not near as a whole. 5,000 take 1 ms.
        found = process.extract(
            "".join(wanted), self.joined, scorer=OSA.normalized_similarity, score_cutoff=NEAR, limit=None
        )
        alike = [(likeness(wanted, self.parts[known], whole), whole, known) for _, whole, known in found]
        best, _, known = max(alike, key=lambda each: each[:2], default=(0.0, 0.0, ""))
        return known if best else self.continued(wanted)

    def continued(self, wanted: list[str]) -> str:
        """The known name that begins with these parts, if there is but one: of a fleet's prefix there are many."""
        found = [name for name, parts in self.parts.items() if parts[: len(wanted)] == wanted]
        return found[0] if len(found) == 1 else ""


def parts_of(name: str) -> list[str]:
    """What stands between hyphens, dots and their like."""
    return [part for part in BETWEEN.split(name.casefold()) if part]


def likeness(one: list[str], other: list[str], whole: float) -> float:
    """How alike two names are by the parts that differ (0 to 1); 0: not near. `whole`: how alike they are with all."""
    rests = different(one, other)
    words = ["".join(part for part in rest if not part.isdecimal()) for rest in rests]
    numbers = [[int(part) for part in rest if part.isdecimal()] for rest in rests]
    if all(numbers) and (numbers[0] != numbers[1] or not any(words)):
        return float(numbers[0] == numbers[1])  # another number is another one
    if not all(words):
        return whole if whole >= NEAR_WHOLE else 0.0
    return float(OSA.normalized_similarity(*words, score_cutoff=NEAR))


def different(one: list[str], other: list[str]) -> tuple[list[str], list[str]]:
    """Both without the parts that they share at the beginning and at the end."""
    most = min(len(one), len(other))
    start = next((place for place in range(most) if one[place] != other[place]), most)
    end = next((place for place in range(most - start) if one[-1 - place] != other[-1 - place]), most - start)
    return one[start : len(one) - end], other[start : len(other) - end]
