"""Sections of 1,024 entries instead of 4,096, and ids of entries without SQLite's AUTOINCREMENT."""

from django.db import migrations, models

import apps.quotas.models
import apps.quotas.models.fields

INDEX = models.Index(apps.quotas.models.Section("id"), models.F("usage"), name="entries_by_section_and_week")


class Migration(migrations.Migration):
    dependencies = [("quotas", "0008_entries_by_section")]

    operations = [
        # The length of a section is part of the index.
        migrations.RemoveIndex("ledgerentry", "entries_by_section_and_week"),
        migrations.AlterField("ledgerentry", "id", apps.quotas.models.fields.LastingId(primary_key=True, serialize=False)),
        migrations.AddIndex("ledgerentry", INDEX),
    ]
