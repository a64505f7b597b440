"""How many calls are still on each version of an agent: a call keeps the version that it began with."""

from datetime import timedelta

from django.db import connection
from django.utils import timezone

from registry.events.reading import TABLE
from registry.events.searching import first_id

RUNNING_MINUTES = 5  # a call of which nothing was heard for so long is taken for ended
MAX_ROWS = 20_000  # events that are looked at, the newest: more would take longer than a page may


def calls_by_version(name: str) -> dict[int, int]:
    """Calls heard of in the last RUNNING_MINUTES that have not sent their summary, by version. One query."""
    since = str(first_id(timezone.now() - timedelta(minutes=RUNNING_MINUTES)))
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT version, count(*) FROM (
                SELECT call_id, max(version) AS version, bool_or(kind = 'post_prompt') AS ended FROM (
                    SELECT call_id, version, kind FROM {TABLE}
                    WHERE agent = %s AND id >= %s AND call_id <> '' AND kind <> 'test' ORDER BY id DESC LIMIT %s
                ) latest GROUP BY call_id
            ) calls WHERE NOT ended AND version IS NOT NULL GROUP BY version""",  # noqa: S608 - our own table
            [name, since, MAX_ROWS],
        )
        return dict(cursor.fetchall())
