"""The composition root."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    """Its name."""

    name = "config"
