"""The operators' pages."""

from django.apps import AppConfig


class DashboardConfig(AppConfig):
    """Its name."""

    name = "dashboard"
