import django.db.models.deletion
from django.db import migrations, models

LAST = "CASE h.state WHEN 'settled' THEN 'settle' WHEN 'expired' THEN 'expire' WHEN 'adjusted' THEN 'adjust' END"

# What calls were charged beyond their hold becomes an entry of its own, as it is for those that come.
SPLIT = f"""
INSERT INTO quotas_ledgerentry (usage_id, hold, kind, held_delta, used_delta, at)
SELECT e.usage_id, e.hold, 'excess', 0, h.charged - h.amount, e.at
FROM quotas_ledgerentry e JOIN quotas_hold h ON h.id = e.hold
WHERE h.charged > h.amount AND e.kind = {LAST}
"""
REDUCE = f"""
UPDATE quotas_ledgerentry
SET used_delta = used_delta - (SELECT h.charged - h.amount FROM quotas_hold h WHERE h.id = quotas_ledgerentry.hold)
WHERE EXISTS (
    SELECT 1 FROM quotas_hold h
    WHERE h.id = quotas_ledgerentry.hold AND h.charged > h.amount AND quotas_ledgerentry.kind = {LAST}
)
"""


class Migration(migrations.Migration):

    dependencies = [
        ('quotas', '0003_staff_movements'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='ledgerentry',
            name='one_entry_per_movement_and_account',
        ),
        migrations.AlterField(
            model_name='ledgerentry',
            name='usage',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.PROTECT, related_name='entries', to='quotas.weeklyusage'),
        ),
        migrations.AddConstraint(
            model_name='ledgerentry',
            constraint=models.UniqueConstraint(condition=models.Q(('kind__in', ('grant', 'correct', 'change'))), fields=('usage', 'hold', 'kind'), name='staff_movements_count_once'),
        ),
        migrations.RunSQL([SPLIT, REDUCE], migrations.RunSQL.noop),
    ]
