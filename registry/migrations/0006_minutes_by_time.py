"""Agents' minutes by time: retention deletes the oldest, a few at a time, and must not read the whole table for each."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("registry", "0005_request_ids")]

    operations = [
        migrations.AddIndex(
            model_name="agentminute", index=models.Index(fields=["minute"], name="agent_minute_by_minute")
        ),
    ]
