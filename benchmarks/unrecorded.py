"""Our application with a recorder that forgets, for `serve --application benchmarks.unrecorded:application`.

What recording costs is the difference to the real one: masking, serialising, the spool, the writer and the database.
"""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)

from benchmarks.forgetful import Forgetful  # noqa: E402 - after django.setup()
from config.asgi import Front  # noqa: E402 - after django.setup()
from config.background import Background, Services  # noqa: E402


class Unrecorded(Front):
    """The same front, wired to forget."""

    def __init__(self, services: Services):
        services.dispatcher.context.recorder = Forgetful()
        super().__init__(services)


application = Background(Unrecorded)
