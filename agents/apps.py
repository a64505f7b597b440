"""What an agent answers."""

from django.apps import AppConfig


class AgentsConfig(AppConfig):
    """Its name."""

    name = "agents"
