"""Pages and the admin. Agents, probes and everything else that is not reserved never come here: see config/asgi.py."""

from django.contrib import admin
from django.urls import include, path

from registry.api.api import api

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v1/", api.urls),
    path("dashboard/", include("dashboard.urls")),
]
handler404 = "registry.api.api.not_found"
handler400 = "dashboard.csrf.refused_host"
