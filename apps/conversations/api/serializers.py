"""Calls in the staff API: who, what, how much and when, but never the text."""

from rest_framework import serializers

from apps.conversations.models import Call, CallAttempt, RuleHit
from apps.rules.models import Rule


class RuleHitSerializer(serializers.ModelSerializer[RuleHit]):
    rule = serializers.CharField(source="name", help_text="Name of the rule, as it was then.")
    action = serializers.ChoiceField(choices=Rule.Action.choices, help_text="What the rule did when it was in force.")
    stage = serializers.ChoiceField(choices=Rule.Stage.choices, help_text="Only rules in `enforce` act.")
    end = serializers.IntegerField(help_text="Where the match ends.")

    class Meta:
        model = RuleHit
        fields = ("rule", "version", "action", "stage", "direction", "message", "start", "end")
        read_only_fields = fields


class CallAttemptSerializer(serializers.ModelSerializer[CallAttempt]):
    class Meta:
        model = CallAttempt
        fields = ("number", "provider", "upstream_model", "outcome", "status", "milliseconds")
        read_only_fields = fields
        extra_kwargs = {
            "provider": {"help_text": "Name of the provider that was asked."},
            "upstream_model": {"help_text": "The model's name at that provider."},
        }


class CallSerializer(serializers.ModelSerializer[Call]):
    id = serializers.CharField(help_text="The request ID, as the student saw it. Later calls have greater ones.")
    course = serializers.CharField(source="course.slug", help_text="Short name of the course.")
    member = serializers.CharField(source="membership.external_id", help_text="External ID of the student.")
    api_key = serializers.CharField(
        source="api_key.shown", default=None, allow_null=True, help_text="The key that was used; null once deleted."
    )
    stream = serializers.BooleanField(source="is_stream", help_text="Whether the answer was streamed.")
    estimated = serializers.BooleanField(
        source="is_estimated", help_text="True if the provider reported no usage and the counts are our estimate."
    )
    rule_hits = RuleHitSerializer(many=True, help_text="What rules found in the prompt.")
    made_attempts = CallAttemptSerializer(
        many=True, help_text="Each attempt, in order. Empty for a call that was answered at the first."
    )

    class Meta:
        model = Call
        fields = (
            "id",
            "course",
            "member",
            "api_key",
            "model",
            "provider",
            "upstream_model",
            "attempts",
            "stream",
            "status",
            "error_code",
            "input_tokens",
            "cached_input_tokens",
            "output_tokens",
            "charged",
            "estimated",
            "started_at",
            "first_byte_ms",
            "duration_ms",
            "rule_hits",
            "made_attempts",
        )
        read_only_fields = fields
        extra_kwargs = {
            "model": {"help_text": "The model name that the student sent."},
            "provider": {"help_text": "Name of the provider that was called; empty if none was."},
            "upstream_model": {"help_text": "The model's name at the provider; empty if none was called."},
            "attempts": {"help_text": "How many deployments were tried."},
            "status": {"help_text": "What became of the call."},
            "error_code": {
                "help_text": "Code of the refusal or failure that the student saw; empty if there was none."
            },
            "input_tokens": {"help_text": "Token count of the prompt."},
            "cached_input_tokens": {"help_text": "Of these, how many the provider took from its cache."},
            "output_tokens": {"help_text": "Token count of the answer."},
            "charged": {"help_text": "Weighted tokens taken from the week."},
            "started_at": {"help_text": "When the request was admitted, in UTC."},
            "first_byte_ms": {"help_text": "Milliseconds to the answer's first byte; null if there was none."},
            "duration_ms": {"help_text": "Milliseconds to the answer's last byte."},
        }
