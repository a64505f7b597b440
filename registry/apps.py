"""What is registered and where a request goes."""

from django.apps import AppConfig


class RegistryConfig(AppConfig):
    """Its name."""

    name = "registry"
