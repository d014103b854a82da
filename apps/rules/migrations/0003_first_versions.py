from datetime import UTC, date, datetime, time

from django.db import migrations
from django.utils import timezone

FIELDS = (
    "name",
    "pattern",
    "checksum",
    "direction",
    "action",
    "stage",
    "assignment",
    "starts_at",
    "ends_at",
    "weekdays",
    "from_time",
    "until_time",
    "priority",
    "message",
    "guidance",
    "replacement",
    "examples_match",
    "examples_no_match",
)


def write_first_versions(apps, schema_editor):
    """Every rule that there is becomes version 1 of itself."""
    Rule, RuleVersion = apps.get_model("rules", "Rule"), apps.get_model("rules", "RuleVersion")
    for rule in Rule.objects.filter(version=0).iterator():
        RuleVersion.objects.create(
            rule=rule,
            number=1,
            at=rule.updated_at or timezone.now(),
            fields={name: _stored(getattr(rule, name)) for name in FIELDS},
            summary="made",
        )
        Rule.objects.filter(pk=rule.pk).update(version=1)


def _stored(value):
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value.isoformat() if isinstance(value, date | time) else value


class Migration(migrations.Migration):
    dependencies = [("rules", "0002_windows_versions_exceptions")]
    operations = [migrations.RunPython(write_first_versions, migrations.RunPython.noop)]
