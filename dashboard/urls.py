"""The operators' pages."""

from django.urls import path
from django.views.generic import RedirectView

app_name = "dashboard"
# The dashboard itself comes with step 5; until then operators look at the registry in the admin.
urlpatterns = [path("", RedirectView.as_view(pattern_name="admin:index"), name="home")]
