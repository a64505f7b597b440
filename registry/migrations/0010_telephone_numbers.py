"""Telephone numbers among SIP names without visual separators, as they are compared from now on.

The rule is that of `sip_username` when this was written. Of names that are the same number one stays: that which had no
separators, else one that somebody chose, else the first.
"""

from django.db import migrations

FOLD = r"""
WITH numbers AS (
    SELECT id, number, row_number() OVER (
        PARTITION BY number ORDER BY (username = number) DESC, (source = 'manual') DESC, id
    ) AS place
    FROM (SELECT id, username, source, regexp_replace(username, '[-.() ]', '', 'g') AS number FROM registry_sipmapping) named
    WHERE number ~ '^(\+[0-9]+|[0-9]{4,})$' AND username !~ '^[0-9]{1,3}(\.[0-9]{1,3}){3}$'
        AND (username = number OR username ~ '^[+(0-9]')
), gone AS (
    DELETE FROM registry_sipmapping USING numbers WHERE registry_sipmapping.id = numbers.id AND numbers.place > 1
)
UPDATE registry_sipmapping SET username = numbers.number FROM numbers
WHERE registry_sipmapping.id = numbers.id AND numbers.place = 1 AND username <> numbers.number
"""


class Migration(migrations.Migration):
    dependencies = [("registry", "0009_what_was_answered")]

    operations = [migrations.RunSQL(FOLD, migrations.RunSQL.noop)]
