"""One agent: a page a tab."""

from dashboard.pages.agent import acts, definition, document, functions, overview, publish, records, routing, versions

urlpatterns = [
    *definition.urlpatterns,
    *publish.urlpatterns,
    *versions.urlpatterns,
    *acts.urlpatterns,
    *document.urlpatterns,
    *functions.urlpatterns,
    *routing.urlpatterns,
    *records.urlpatterns,
    *overview.urlpatterns,
]
