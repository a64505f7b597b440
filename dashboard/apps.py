"""The operators' pages."""

from django.apps import AppConfig
from django.contrib.admin import apps as of_django


class DashboardConfig(AppConfig):
    """Its name."""

    name = "dashboard"


class SwitchboardAdminConfig(of_django.AdminConfig):
    """The Django admin with our site."""

    default = False
    default_site = "dashboard.admin_site.Site"
