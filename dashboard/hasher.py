"""How passwords are hashed: as Django does, but nobody keeps a database connection during it."""

from typing import Any

from django.contrib.auth.hashers import PBKDF2PasswordHasher

from registry.base.pool import let_go


class Hasher(PBKDF2PasswordHasher):
    """It takes a few tenths of a second; many strangers at once would keep all others from the database."""

    def encode(self, *arguments: Any, **options: Any) -> str:
        """Hash a password; checking one comes here too."""
        let_go()
        return super().encode(*arguments, **options)
