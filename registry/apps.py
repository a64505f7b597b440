"""What is registered and where a request goes."""

from django.apps import AppConfig

from registry.base.contains import register


class RegistryConfig(AppConfig):
    """Its name, and what its queries need."""

    name = "registry"

    def ready(self) -> None:
        """Make texts searchable."""
        register()
