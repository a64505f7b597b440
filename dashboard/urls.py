"""The operators' pages."""

from django.urls import path, re_path

from dashboard import shell, sign_in
from dashboard.pages import (
    agent,
    agents,
    calls,
    frame,
    log,
    overview,
    register,
    routing,
    search,
    settings,
    test,
)

app_name = "dashboard"
urlpatterns = [
    path("", sign_in.home, name="home"),
    path("sign-in/", sign_in.SignIn.as_view(), name="sign-in"),
    path("sign-in/link/<str:uid>/<str:token>/", sign_in.sign_in_link, name="sign-in-link"),
    path("sign-out/", sign_in.SignOut.as_view(), name="sign-out"),
    path("password/", sign_in.password, name="password"),
    *frame.urlpatterns,
    *search.urlpatterns,
    *overview.urlpatterns,
    *agents.urlpatterns,
    *agent.urlpatterns,
    *register.urlpatterns,
    *routing.urlpatterns,
    *log.urlpatterns,
    *calls.urlpatterns,
    *test.urlpatterns,
    *settings.urlpatterns,
    re_path("", shell.nothing_here),
]
