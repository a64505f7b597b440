"""The routing log by batches and by day, and each agent's minutes.

`batch` is the id of the transaction that wrote a row. Rows of a batch appear together, and a snapshot's xmin says which
batches can still come: a reader that knows both misses nothing and sees nothing twice, in whatever order they commit.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models

LOG = """
ALTER TABLE registry_routingevent ADD COLUMN batch bigint NOT NULL DEFAULT 0;
CREATE INDEX routing_event_by_batch ON registry_routingevent (batch);
CREATE INDEX routing_event_by_outcome ON registry_routingevent (outcome, id DESC) WHERE outcome <> 'ok';
CREATE INDEX routing_event_by_function ON registry_routingevent (function, id DESC) WHERE function <> '';
"""
UNDO_LOG = """
DROP INDEX routing_event_by_function;
DROP INDEX routing_event_by_outcome;
ALTER TABLE registry_routingevent DROP COLUMN batch;
"""
# Of two histograms with the same buckets.
ADD = """
CREATE FUNCTION switchboard_added(bigint[], bigint[]) RETURNS bigint[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT array_agg(one + other ORDER BY place) FROM unnest($1, $2) WITH ORDINALITY AS bucket(one, other, place) $$;
"""


class Migration(migrations.Migration):
    dependencies = [("registry", "0002_routing_log")]

    operations = [
        migrations.RunSQL(LOG, UNDO_LOG),
        migrations.RunSQL(ADD, "DROP FUNCTION switchboard_added(bigint[], bigint[])"),
        migrations.CreateModel(
            name="AgentMinute",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "agent", "minute", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("agent", models.TextField()),
                ("minute", models.DateTimeField()),
                ("count", models.BigIntegerField()),
                ("errors", models.BigIntegerField(help_text="answers that failed on our side")),
                (
                    "latencies",
                    ArrayField(
                        models.BigIntegerField(), help_text="requests by latency; see registry/log/minutes.py"
                    ),
                ),
            ],
            options={"ordering": ["agent", "minute"]},
        ),
    ]
