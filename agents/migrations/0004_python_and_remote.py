"""Python and remote agents, and the credentials of the latter's servers. The defaults are for workers of before."""

from django.db import migrations, models

KINDS = [('stored', 'Stored'), ('python', 'Python'), ('remote', 'Remote')]


class Migration(migrations.Migration):

    dependencies = [
        ('agents', '0003_paused_until'),
    ]

    operations = [
        migrations.AddField(
            model_name='agent',
            name='upstream',
            field=models.TextField(blank=True, db_default='', default='', help_text="user:password with which a remote agent's server is asked"),
        ),
        migrations.AlterField(
            model_name='agent',
            name='kind',
            field=models.CharField(choices=KINDS, default='stored', max_length=10),
        ),
        migrations.AlterField(
            model_name='agentevent',
            name='kind',
            field=models.CharField(choices=KINDS, default='stored', max_length=10),
        ),
    ]
