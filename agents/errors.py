"""What the engine refuses."""


class InvalidDefinition(Exception):  # noqa: N818 - reads as the field says it
    """A definition has problems: `problems` maps the path of each field to what is wrong with it."""

    def __init__(self, problems: dict[str, str]):
        self.problems = problems
        super().__init__("\n".join(f"{path}: {problem}" for path, problem in problems.items()))


class WebhookFailed(Exception):  # noqa: N818 - read by people as a sentence in the log
    """No usable answer came. The message says why, for the log: no header, no query, nothing that the server sent.

    `problem` is the message without `place`, the beginning of the URL, which can be a secret itself.
    """

    def __init__(self, problem: str, place: str = ""):
        self.problem = problem
        super().__init__(f"{place} {problem}".lstrip())


class UnusableSource(Exception):  # noqa: N818
    """A Python agent cannot be built, or a remote server gives no agent. The message says why and what to do."""

    def __init__(self, message: str, about: str = ""):
        """`about`: what of a server is wrong, if that is known: credentials, path, document."""
        super().__init__(message)
        self.about = about
