"""The folders that variables name: made for their owner only, and refused in a line that begins with the variable."""

import tempfile
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def wrong(name: str, what: str) -> ImproperlyConfigured:
    """The error to raise for a variable."""
    return ImproperlyConfigured(f"{name}: {what}")


def have_folder(name: str, path: Path) -> None:
    """Make a folder if it is missing, for its owner only, and see that it can be written to."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise unusable(name, path, error) from None


def unusable(name: str, path: Path, error: OSError) -> ImproperlyConfigured:
    """The error to raise for a folder."""
    why = "it is not a folder" if isinstance(error, FileExistsError) else error.strerror or str(error)
    return wrong(name, f"{path} cannot be used ({why}); write the path of a folder that can be written to")
