from django.db import migrations, models
from django.db.models import F

ROWS = 500


def name_titles(apps, schema_editor):
    """Rules are titled by their names. Their versions get the new fields too, or the next save would look like a change."""
    Rule, RuleVersion = apps.get_model("rules", "Rule"), apps.get_model("rules", "RuleVersion")
    Rule.objects.filter(title="").update(title=F("name"))
    changed = []
    for version in RuleVersion.objects.only("pk", "fields").iterator(chunk_size=ROWS):
        name = version.fields.get("name", "")
        version.fields = {"name": name, "title": name, "why": "", **version.fields}
        changed.append(version)
        if len(changed) == ROWS:
            RuleVersion.objects.bulk_update(changed, ["fields"])
            changed.clear()
    RuleVersion.objects.bulk_update(changed, ["fields"])


class Migration(migrations.Migration):
    dependencies = [("rules", "0003_first_versions")]
    operations = [
        migrations.AddField(
            model_name="rule",
            name="title",
            field=models.CharField(
                blank=True, db_default="", default="", help_text="What people call it, in any words.", max_length=120
            ),
        ),
        migrations.AddField(
            model_name="rule",
            name="why",
            field=models.TextField(
                blank=True,
                db_default="",
                default="",
                help_text="Why the course has this rule, and what it cannot do. Students do not see it.",
                max_length=1000,
                verbose_name="purpose",
            ),
        ),
        migrations.AlterField(
            model_name="rule",
            name="name",
            field=models.SlugField(
                help_text="For files, addresses and the API, such as no-homework. Unique in the course.", max_length=60
            ),
        ),
        migrations.RunPython(name_titles, migrations.RunPython.noop),
    ]
