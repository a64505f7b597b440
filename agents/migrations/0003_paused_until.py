"""When a pause ends by itself; the audit keeps it, too."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('agents', '0002_former_reach'),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name='agent',
            name='insert_insert',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='agent',
            name='update_update',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='agent',
            name='delete_delete',
        ),
        migrations.AddField(
            model_name='agent',
            name='paused_until',
            field=models.DateTimeField(blank=True, help_text='empty: until somebody resumes it', null=True),
        ),
        migrations.AddField(
            model_name='agentevent',
            name='paused_until',
            field=models.DateTimeField(blank=True, help_text='empty: until somebody resumes it', null=True),
        ),
        migrations.AddIndex(
            model_name='agent',
            index=models.Index(condition=models.Q(('paused_until__isnull', False), ('state', 'paused')), fields=['paused_until'], name='agent_by_end_of_pause'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='agent',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "agents_agentevent" ("created", "draft_id", "id", "kind", "live_id", "name", "pause_message", "paused_until", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "state", "tags", "title", "trashed") VALUES (NEW."created", NEW."draft_id", NEW."id", NEW."kind", NEW."live_id", NEW."name", NEW."pause_message", NEW."paused_until", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."state", NEW."tags", NEW."title", NEW."trashed"); RETURN NULL;', hash='722c6b91c90f7cfc62a2655d3ef6d13598608190', operation='INSERT', pgid='pgtrigger_insert_insert_7b9fa', table='agents_agent', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='agent',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."created" IS DISTINCT FROM (NEW."created") OR OLD."draft_id" IS DISTINCT FROM (NEW."draft_id") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."kind" IS DISTINCT FROM (NEW."kind") OR OLD."live_id" IS DISTINCT FROM (NEW."live_id") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."pause_message" IS DISTINCT FROM (NEW."pause_message") OR OLD."paused_until" IS DISTINCT FROM (NEW."paused_until") OR OLD."state" IS DISTINCT FROM (NEW."state") OR OLD."tags" IS DISTINCT FROM (NEW."tags") OR OLD."title" IS DISTINCT FROM (NEW."title") OR OLD."trashed" IS DISTINCT FROM (NEW."trashed"))', func='INSERT INTO "agents_agentevent" ("created", "draft_id", "id", "kind", "live_id", "name", "pause_message", "paused_until", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "state", "tags", "title", "trashed") VALUES (NEW."created", NEW."draft_id", NEW."id", NEW."kind", NEW."live_id", NEW."name", NEW."pause_message", NEW."paused_until", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."state", NEW."tags", NEW."title", NEW."trashed"); RETURN NULL;', hash='39fabc9c5c71447f8a0210fd08d1aae13308d254', operation='UPDATE', pgid='pgtrigger_update_update_b59de', table='agents_agent', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='agent',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "agents_agentevent" ("created", "draft_id", "id", "kind", "live_id", "name", "pause_message", "paused_until", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "state", "tags", "title", "trashed") VALUES (OLD."created", OLD."draft_id", OLD."id", OLD."kind", OLD."live_id", OLD."name", OLD."pause_message", OLD."paused_until", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."state", OLD."tags", OLD."title", OLD."trashed"); RETURN NULL;', hash='11a3de53dd07ec01bae2e421348cdbc198dabdbd', operation='DELETE', pgid='pgtrigger_delete_delete_25641', table='agents_agent', when='AFTER')),
        ),
    ]
