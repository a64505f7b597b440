"""Which request an event is of, as its sender calls it, and of which trace. '' = it did not say.

A request without an id of its own is known by the event's. Old workers write rows without these columns meanwhile.
"""

from django.db import migrations

# Nothing is rewritten for a constant default, and the indexes are empty at first: most senders say nothing.
ADD = """
ALTER TABLE registry_routingevent ADD COLUMN request_id text NOT NULL DEFAULT '', ADD COLUMN trace_id text NOT NULL DEFAULT '';
CREATE INDEX routing_event_by_request ON registry_routingevent (request_id) WHERE request_id <> '';
CREATE INDEX routing_event_by_trace ON registry_routingevent (trace_id, id) WHERE trace_id <> '';
"""
UNDO = """
ALTER TABLE registry_routingevent DROP COLUMN request_id, DROP COLUMN trace_id;
"""


class Migration(migrations.Migration):
    dependencies = [("registry", "0004_people_and_tokens")]

    operations = [migrations.RunSQL(ADD, UNDO)]
