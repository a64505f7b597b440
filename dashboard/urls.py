"""The operators' pages."""

from django.urls import path, re_path

from dashboard import shell, signing_in
from dashboard.pages import (
    agent,
    agent_acts,
    agent_document,
    agent_functions,
    agent_records,
    agent_routing,
    agents,
    calls,
    definition,
    frame,
    log,
    overview,
    publish,
    register,
    routing,
    search,
    settings,
    test,
    versions,
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
    *definition.urlpatterns,
    *publish.urlpatterns,
    *versions.urlpatterns,
    *agent_acts.urlpatterns,
    *agent_document.urlpatterns,
    *agent_functions.urlpatterns,
    *agent_routing.urlpatterns,
    *agent_records.urlpatterns,
    *agent.urlpatterns,
    *register.urlpatterns,
    *routing.urlpatterns,
    *log.urlpatterns,
    *calls.urlpatterns,
    *test.urlpatterns,
    *settings.urlpatterns,
    re_path("", shell.nothing_here),
]
