"""One agent: a page a tab."""

from dashboard.pages.agent import (
    acts,
    definition,
    document,
    functions,
    overview,
    publish,
    records,
    routing,
    source,
    versions,
)

urlpatterns = [
    *definition.urlpatterns,
    *source.urlpatterns,
    *publish.urlpatterns,
    *versions.urlpatterns,
    *acts.urlpatterns,
    *document.urlpatterns,
    *functions.urlpatterns,
    *routing.urlpatterns,
    *records.urlpatterns,
    *overview.urlpatterns,
]
