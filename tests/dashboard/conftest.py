"""What tests of the dashboard's pages share."""

import pytest

from registry.rehearsal import candidate, stage
from tests.client import load_table


@pytest.fixture(autouse=True)
def _table_of_the_transaction(monkeypatch):
    """A process that serves nothing loads the table, which needs a transaction of its own: tests are in one already."""
    for module in (stage, candidate):
        monkeypatch.setattr(module, "table_of", lambda _stage: load_table())
