"""What every page does with the database's refusals."""

import pytest
from django.db import DataError, connection

from dashboard.shell import unsendable


def refused(sql: str, *values: object) -> DataError:
    with pytest.raises(DataError) as refusal, connection.cursor() as cursor:
        cursor.execute(sql, values)
    return refusal.value


@pytest.mark.django_db(transaction=True)
def test_only_what_the_driver_refuses_to_send_is_somebodys_text() -> None:
    assert unsendable(refused("SELECT %s", "a\0b"))
    assert not unsendable(refused("SELECT cast(%s AS integer)", "NUL"))
    assert not unsendable(refused("SELECT 1 / %s", 0)), "a mistake of ours is an error page"
    assert not unsendable(DataError("NUL"))
