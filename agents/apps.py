"""What an agent answers."""

from django.apps import AppConfig


class AgentsConfig(AppConfig):
    name = "agents"
