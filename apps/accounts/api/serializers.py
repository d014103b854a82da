"""Entries of the audit log in the staff API."""

from typing import Any

from rest_framework import serializers

from apps.accounts.models import AuditEntry


class AuditEntrySerializer(serializers.ModelSerializer[AuditEntry]):
    id = serializers.IntegerField(help_text="Later entries have greater ones.")
    course = serializers.CharField(
        source="course_slug", allow_null=True, help_text="Short name of the course; null if there is none, or no more."
    )
    before = serializers.SerializerMethodField(help_text="Fields that changed, as they were. Secrets are left out.")
    after = serializers.SerializerMethodField(help_text="Fields that changed, as they became. Secrets are left out.")
    security = serializers.BooleanField(source="is_security", help_text="True if somebody should look at it.")

    class Meta:
        model = AuditEntry
        fields = (
            "id",
            "at",
            "actor_kind",
            "actor_id",
            "actor_name",
            "action",
            "object_type",
            "object_id",
            "object_label",
            "course",
            "before",
            "after",
            "address",
            "request_id",
            "note",
            "security",
        )
        read_only_fields = fields
        extra_kwargs = {
            "at": {"help_text": "When it was done, in UTC."},
            "actor_kind": {"help_text": "person, student, command, task or system."},
            "actor_id": {"help_text": "ID of the person or the student; null if nobody was known."},
            "actor_name": {"help_text": "User name of the person, or name of the command or task."},
            "action": {"help_text": "Two words with a dot, such as key.issued."},
            "object_type": {"help_text": "Kind of the object, such as accounts.apikey; empty if there is none."},
            "object_id": {"help_text": "ID of the object."},
            "object_label": {"help_text": "The object, as it was called then."},
            "address": {"help_text": "Address that the request came from; empty if it was no request."},
            "request_id": {"help_text": "ID of the request, as its response had it."},
            "note": {"help_text": "What else is to be said."},
        }

    def get_before(self, entry: AuditEntry) -> dict[str, Any] | None:
        return entry.before

    def get_after(self, entry: AuditEntry) -> dict[str, Any] | None:
        return entry.after
