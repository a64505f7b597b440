"""Which kinds of agents there are is not said in the schema any more. Changes no table."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('agents', '0004_python_and_remote'),
    ]

    operations = [
        migrations.AlterField(
            model_name='agent',
            name='kind',
            field=models.CharField(default='stored', max_length=10),
        ),
        migrations.AlterField(
            model_name='agentevent',
            name='kind',
            field=models.CharField(default='stored', max_length=10),
        ),
    ]
