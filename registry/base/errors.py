"""What the registry refuses, one class each; the message says why and what to do."""


class RegistryError(Exception):
    """A change or a question that cannot be carried out."""

    status = 400  # for the REST API

    def __init__(
        self,
        message: str,
        *,
        problems: dict[str, str] | None = None,
        where: str = "",
        about: str = "",
        line: int = 0,
        summary: str = "",
    ):
        self.problems = problems or {}  # by field path, for forms and the API
        self.where = where  # the field that those paths begin in, if it is a whole of its own: definition
        self.about = about  # which of several things is wrong: agent, route, sip
        self.line = line  # of a text, where it goes wrong; 0 = it is not known
        self.summary = summary or message  # without the list of problems, for who shows them himself
        super().__init__(message)


class Malformed(RegistryError):  # noqa: N818 - reads as the field says it
    """A value that can never be right."""

    status = 422


class Conflict(RegistryError):  # noqa: N818
    """Something else has it already; the owner is named."""

    status = 409


class Outdated(RegistryError):  # noqa: N818
    """It has changed since the caller looked at it."""

    status = 412


class NotFound(RegistryError):  # noqa: N818
    """There is no such thing."""

    status = 404


class Forbidden(RegistryError):  # noqa: N818
    """Whoever asks may not do this."""

    status = 403


class Busy(RegistryError):  # noqa: N818
    """Another change holds the registry for too long."""

    status = 503


class WrongSecret(RegistryError):  # noqa: N818
    """This replica's secret key is not the one that the database belongs to."""

    status = 500


def sentence(error: Exception | str, name: str = "") -> str:
    """A message as a sentence. One that begins with a URL, a path, a class or this name keeps that as it is."""
    text = str(error)
    first = text.split(" ", 1)[0].rstrip(",:;.")
    plain = first.replace("-", "").replace("'", "").isalpha() and first != name
    return f"{text[:1].upper() if plain else text[:1]}{text[1:]}{'' if text.endswith(('.', '?')) else '.'}"
