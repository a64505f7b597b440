"""Pages and the admin. Agents, probes and everything else that is not reserved never come here: see config/asgi.py."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("dashboard/", include("dashboard.urls")),
]
