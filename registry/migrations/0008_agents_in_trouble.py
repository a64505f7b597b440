"""Which agents do not run well in a worker. The default is for workers of before."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('registry', '0007_events_by_sip_name'),
    ]

    operations = [
        migrations.AddField(
            model_name='worker',
            name='troubles',
            field=models.JSONField(db_default=models.Value({}, output_field=models.JSONField()), default=dict, help_text='agents that do not run well there; see runners.py'),
        ),
    ]
