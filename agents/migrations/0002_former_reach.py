"""What an agent in the trash had, so that it can be brought back."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('agents', '0001_agents_and_versions'),
    ]

    operations = [
        migrations.AddField(
            model_name='agent',
            name='former_reach',
            field=models.JSONField(blank=True, help_text='routes and names that a trashed agent had', null=True),
        ),
    ]
