"""Columns that keep secrets, and JSON in its own order."""

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models

UNREADABLE = "\0"  # stands for a secret that cannot be decrypted; no secret has this character


def cipher() -> MultiFernet:
    """Fernet (AES-128-CBC with HMAC-SHA256) under the secret key; what fallback keys wrote can still be read."""
    return MultiFernet([cipher_of(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def cipher_of(key: str) -> Fernet:
    """Under one key alone."""
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(f"encrypted fields:{key}".encode()).digest()))


if TYPE_CHECKING:
    TextField = models.TextField[Any, Any]
    CharField = models.CharField[str, str]
else:
    TextField = models.TextField  # generic for the type checker only
    CharField = models.CharField


class PlainInMigrations(TextField):
    """A text column, for migrations nothing else: none of them imports this module."""

    def deconstruct(self) -> Any:
        """Name Django's own class."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.TextField", args, kwargs


class KindField(CharField):
    """The word of an agent's kind. Which kinds there are is no matter of the schema: migrations do not list them."""

    def deconstruct(self) -> Any:
        """Name Django's own class, without choices."""
        name, _, args, kwargs = super().deconstruct()
        kwargs.pop("choices", None)
        return name, "django.db.models.CharField", args, kwargs


class OrderedJSONField(PlainInMigrations):
    """A JSON value kept as text, because jsonb forgets the order of keys: functions and parameters keep theirs."""

    _pyi_private_set_type: Any  # for the type checker: not only texts
    _pyi_private_get_type: Any

    def from_db_value(self, value: str | None, _expression: Any, _connection: Any) -> Any:
        """Parse."""
        return None if value is None else orjson.loads(value)

    def get_prep_value(self, value: Any) -> Any:
        """Serialise."""
        return None if value is None else orjson.dumps(value).decode()


class EncryptedTextField(PlainInMigrations):
    """Text that the database, its backups and its audit rows only hold encrypted. An empty text stays empty."""

    def from_db_value(self, value: str | None, _expression: Any, _connection: Any) -> str | None:
        """Decrypt; what another secret key wrote is UNREADABLE, for one such row must not hide the others."""
        if not value:
            return value
        try:
            return cipher().decrypt(value.encode()).decode()
        except InvalidToken:
            return UNREADABLE

    def get_prep_value(self, value: Any) -> Any:
        """Encrypt. `ValueError` for UNREADABLE: whoever saves it back destroys what another key may still read."""
        text = super().get_prep_value(value)
        if text == UNREADABLE:
            raise ValueError("a secret that cannot be read must not be saved: leave its column out of what is saved")
        return cipher().encrypt(text.encode()).decode() if text else text
