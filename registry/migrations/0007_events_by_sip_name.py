"""An index of the routing log by dialled name: how often, and when last, callers used each SIP name."""

from django.db import migrations

CREATE = "CREATE INDEX routing_event_by_sip_user ON registry_routingevent (sip_user, id DESC) WHERE sip_user <> ''"


class Migration(migrations.Migration):
    dependencies = [("registry", "0006_minutes_by_time")]

    operations = [migrations.RunSQL(CREATE, "DROP INDEX routing_event_by_sip_user")]
