"""Requests to services in the staff API: never their query strings or bodies."""

from rest_framework import serializers

from apps.services.models import ServiceRecord


class ServiceRecordSerializer(serializers.ModelSerializer[ServiceRecord]):
    id = serializers.CharField(help_text="The request ID, as the caller saw it. Later requests have greater ones.")
    course = serializers.CharField(
        source="course.slug", default=None, allow_null=True, help_text="Short name of the caller's course."
    )
    member = serializers.CharField(
        source="membership.external_id",
        default=None,
        allow_null=True,
        help_text="External ID of the caller; null without a key.",
    )

    class Meta:
        model = ServiceRecord
        fields = (
            "id",
            "service",
            "course",
            "member",
            "method",
            "path",
            "status",
            "outcome",
            "error_code",
            "instance",
            "attempts",
            "started_at",
            "first_byte_ms",
            "duration_ms",
            "bytes_in",
            "bytes_out",
        )
        read_only_fields = fields
        extra_kwargs = {
            "method": {"help_text": "Method of the request."},
            "outcome": {"help_text": "What became of the request."},
            "started_at": {"help_text": "When the request arrived, in UTC."},
            "first_byte_ms": {"help_text": "Milliseconds to the answer's first byte; null if there was none."},
            "duration_ms": {"help_text": "Milliseconds to the answer's last byte."},
            "bytes_in": {"help_text": "Bytes of the request's body."},
            "bytes_out": {"help_text": "Bytes of the answer's body."},
            "attempts": {"help_text": "How many times an instance was asked."},
        }
