"""The secret key: $SECRET_KEY, else the text of $SECRET_KEY_FILE, which is made on the first start."""

import hashlib
import os
import secrets
from pathlib import Path

from django.utils.functional import lazy

from config.environment import Environment
from config.folders import have_folder, wrong


def secret_key(environment: Environment) -> str:
    """The key. Lazy until there is one, so that `help`, `check` and the type checker write nothing."""
    if environment.SECRET_KEY:
        return environment.SECRET_KEY
    file = environment.SECRET_KEY_FILE
    folder = environment.DATA_DIR if file.parent == environment.DATA_DIR else None
    return read(file, folder) if exists(file) else lazy(read, str)(file, folder)


def swaig_secret(environment: Environment, key: str) -> str:
    """The master secret of function tokens: $SIGNALWIRE_SWAIG_SECRET, else made from the secret key, as lazy as it."""

    def derived() -> str:
        return hashlib.sha256(f"function tokens:{key}".encode()).hexdigest()

    return environment.SIGNALWIRE_SWAIG_SECRET or lazy(derived, str)()


def exists(file: Path) -> bool:
    """Whether there is a key file already, or something in its place that cannot even be looked at."""
    try:
        return file.exists()
    except OSError:
        return True


def read(file: Path, folder: Path | None) -> str:
    """The text of the file; it is made if there is none, and so is the data folder if that is where it belongs."""
    try:
        if not file.exists():
            make(file, folder)
        key = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", "") or "it is not text"
        raise wrong("SECRET_KEY_FILE", f"{file}: {why}; write the path of a file that can be read") from None
    if not key:
        what = f"{file} is empty; put the replicas' common secret key into it, or remove it"
        raise wrong("SECRET_KEY_FILE", what)
    return key


def make(file: Path, folder: Path | None) -> None:
    """Make the file, for its owner only."""
    if folder is not None:
        have_folder("DATA_DIR", folder)
    # Written whole under another name, then linked: of two first starts at once, both read the same key.
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_urlsafe(50))
    try:
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
