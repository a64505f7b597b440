"""The table of the routing log. Django cannot say PARTITION BY, so the model is unmanaged and this is its DDL."""

from django.db import migrations

# Text columns are never null: '' is "there is none", and an event that lacks a word is refused and put aside.
CREATE = """
CREATE TABLE registry_routingevent (
    id uuid NOT NULL PRIMARY KEY,
    replica text NOT NULL,
    kind text NOT NULL,
    method text NOT NULL,
    path text NOT NULL,
    source text NOT NULL,
    route text NOT NULL,
    agent text NOT NULL,
    version integer,
    call_id text NOT NULL,
    sip_user text NOT NULL,
    "from" text NOT NULL,
    "to" text NOT NULL,
    function text NOT NULL,
    status smallint NOT NULL,
    outcome text NOT NULL,
    detail text NOT NULL,
    steps jsonb NOT NULL,
    microseconds integer NOT NULL,
    request jsonb,
    response jsonb
) PARTITION BY RANGE (id);
CREATE TABLE registry_routingevent_default PARTITION OF registry_routingevent DEFAULT;
CREATE INDEX routing_event_by_agent ON registry_routingevent (agent, id DESC);
CREATE INDEX routing_event_by_call ON registry_routingevent (call_id, id) WHERE call_id <> '';
"""


class Migration(migrations.Migration):
    dependencies = [("registry", "0001_registry_and_change_feed")]

    operations = [migrations.RunSQL(CREATE, "DROP TABLE registry_routingevent")]
