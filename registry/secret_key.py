"""Whose database this is: a mark of the secret key that its credentials and its calls' tokens depend on."""

import hashlib
import hmac

from django.conf import settings

from registry.base.errors import WrongSecret
from registry.models import Installation


def fingerprint(key: str) -> str:
    """A mark of a secret key that does not give it away."""
    return hmac.new(key.encode(), b"switchboard installation", hashlib.sha256).hexdigest()


def refuse_another_key() -> None:
    """Raise `WrongSecret` in a process that would write secrets which nobody else could read. One short query.

    A database without an owner is being initialised. A key that is a fallback here owns the database until `serve` has
    taken it over: two keys that write at once would never come to an end.
    """
    owner = Installation.objects.values_list("secret_fingerprint", flat=True).first()
    if owner is None or owner == fingerprint(settings.SECRET_KEY):
        return
    if owner in map(fingerprint, settings.SECRET_KEY_FALLBACKS):
        raise WrongSecret(
            "this database belongs to a key that is only among SECRET_KEY_FALLBACKS here: nothing was changed. Run "
            "this with that key as SECRET_KEY, or start `serve`, which takes the database over for the new one."
        )
    raise WrongSecret(
        "this database belongs to another SECRET_KEY than this process has: nothing was changed. Run this with the "
        "SECRET_KEY, SECRET_KEY_FILE or DATA_DIR of `serve`."
    )
