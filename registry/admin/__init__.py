"""The registry in the Django admin: the same actions as everywhere, allowed by the same policy."""

from django.contrib import admin
from django.contrib.auth.models import Group, User

from registry.admin import agents, log, people, routes, tokens, versions

__all__ = ["agents", "log", "people", "routes", "tokens", "versions"]

# People are changed by actions only, and groups are the roles.
admin.site.unregister([Group, User])
