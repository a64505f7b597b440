"""Over which channel a request came, its query, by which router and rule, what was answered, whether it can be replayed.

And the two JSON columns are no longer compressed: that was most of what a captured body cost the database.
Workers of before write rows without these columns meanwhile. Nothing is rewritten for a constant default, and rows that
are there stay as they are, compressed ones too. The table and its days are locked for a moment, behind whoever reads
just then, and everybody else waits behind us: so we wait briefly only, and come again.
"""

from time import sleep

from django.db import OperationalError, migrations, transaction
from psycopg.errors import LockNotAvailable

# Rows from before have no digest, and may be masked or cut: they cannot be replayed.
ADD = """
ALTER TABLE registry_routingevent
    ADD COLUMN channel text NOT NULL DEFAULT 'voice',
    ADD COLUMN query text NOT NULL DEFAULT '',
    ADD COLUMN via text NOT NULL DEFAULT '',
    ADD COLUMN rule text NOT NULL DEFAULT '',
    ADD COLUMN side text NOT NULL DEFAULT '',
    ADD COLUMN digest text NOT NULL DEFAULT '',
    ADD COLUMN replayable boolean NOT NULL DEFAULT false,
    ADD COLUMN asked_twice boolean NOT NULL DEFAULT false,
    ALTER COLUMN request SET STORAGE EXTERNAL,
    ALTER COLUMN response SET STORAGE EXTERNAL
"""
DROP = """
ALTER TABLE registry_routingevent
    DROP COLUMN channel, DROP COLUMN query, DROP COLUMN via, DROP COLUMN rule, DROP COLUMN side, DROP COLUMN digest,
    DROP COLUMN replayable, DROP COLUMN asked_twice,
    ALTER COLUMN request SET STORAGE EXTENDED,
    ALTER COLUMN response SET STORAGE EXTENDED
"""
LOCK_SECONDS = 2  # that writers and readers may have to wait for us
TRIES = 300  # a quarter of an hour
PAUSE_SECONDS = 1  # in which they catch up


def alter(statement):
    """Run it as soon as nobody reads the log for long."""

    def run(_apps, editor):
        for left in reversed(range(TRIES)):
            try:
                with transaction.atomic(using=editor.connection.alias), editor.connection.cursor() as cursor:
                    cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
                    cursor.execute(statement)
                return
            except OperationalError as error:
                if not left or not isinstance(error.__cause__, LockNotAvailable):
                    raise
                sleep(PAUSE_SECONDS)

    return run


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("registry", "0008_agents_in_trouble")]

    operations = [migrations.RunPython(alter(ADD), alter(DROP))]
