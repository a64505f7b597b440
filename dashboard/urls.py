"""The operators' pages."""

from django.urls import path, re_path

from dashboard import shell
from dashboard import sign_in as signing_in
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
    path("", signing_in.home, name="home"),
    path("sign-in/", signing_in.SignIn.as_view(), name="sign-in"),
    path("sign-in/link/<str:uid>/<str:token>/", signing_in.sign_in_link, name="sign-in-link"),
    path("sign-out/", signing_in.SignOut.as_view(), name="sign-out"),
    path("password/", signing_in.password, name="password"),
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
