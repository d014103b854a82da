from typing import Any

import django.db.models.deletion
from django.db import migrations, models

WORDS_OF_SQLITE = (
    """CREATE VIRTUAL TABLE conversations_words USING fts5(
    labels, words, content='', contentless_delete=1, tokenize="unicode61 remove_diacritics 2")""",
    # Merging takes up to 20 ms, for which students' calls would wait: a worker does it instead.
    "INSERT INTO conversations_words (conversations_words, rank) VALUES ('automerge', 0)",
    "INSERT INTO conversations_words (conversations_words, rank) VALUES ('crisismerge', 256)",
    """CREATE TRIGGER words_of_a_document AFTER DELETE ON conversations_searchdocument
    BEGIN DELETE FROM conversations_words WHERE rowid = old.id; END""",
)
WORDS_OF_POSTGRESQL = (
    "ALTER TABLE conversations_searchdocument ADD COLUMN words tsvector NOT NULL DEFAULT ''",
    "CREATE INDEX documents_by_words ON conversations_searchdocument USING gin (words)",
)


def make_words(apps: Any, schema_editor: Any) -> None:
    of_sqlite = schema_editor.connection.vendor == "sqlite"
    for statement in WORDS_OF_SQLITE if of_sqlite else WORDS_OF_POSTGRESQL:
        schema_editor.execute(statement)


def drop_words(apps: Any, schema_editor: Any) -> None:
    """On PostgreSQL they go with their table."""
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute("DROP TRIGGER words_of_a_document")
        schema_editor.execute("DROP TABLE conversations_words")


def begin(apps: Any, schema_editor: Any) -> None:
    """Calls of before are entered by and by, beginning with the latest: `g` is behind every id."""
    has_calls = apps.get_model("conversations", "Call").objects.exists()
    apps.get_model("conversations", "SearchProgress").objects.create(before="g" if has_calls else "")


class Migration(migrations.Migration):
    dependencies = [
        ("conversations", "0005_attempts"),
    ]

    operations = [
        migrations.AddField(
            model_name="appeal",
            name="outcome",
            field=models.CharField(
                blank=True,
                choices=[
                    ("refuse", "Right to refuse"),
                    ("once", "Fine this once"),
                    ("everyone", "Fine for everyone"),
                ],
                db_default="",
                default="",
                max_length=8,
            ),
        ),
        migrations.CreateModel(
            name="SearchProgress",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("before", models.CharField(blank=True, max_length=32)),
            ],
        ),
        migrations.CreateModel(
            name="SearchDocument",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("seq", models.PositiveIntegerField(help_text="Of the first turn in it.")),
                (
                    "call",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="search_documents",
                        to="conversations.call",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("call", "seq"), name="one_document_per_call_and_seq")
                ],
            },
        ),
        migrations.RunPython(make_words, drop_words),
        migrations.RunPython(begin, migrations.RunPython.noop),
    ]
