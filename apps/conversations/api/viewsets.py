"""Calls in the staff API."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view

from apps.accounts.audit import record
from apps.common.viewsets import StaffViewSet
from apps.conversations.api.filters import CallFilter
from apps.conversations.api.serializers import CallSerializer
from apps.conversations.models import Call


@extend_schema_view(
    list=extend_schema(summary="The calls of the courses in which you are staff, newest first"),
    retrieve=extend_schema(
        summary="One call",
        parameters=[OpenApiParameter("id", str, OpenApiParameter.PATH, description="The request ID.")],
    ),
)
class CallViewSet(StaffViewSet):
    """Who asked which model when, what became of it, and what it cost. The text is not part of it."""

    queryset = Call.objects.select_related("course", "membership", "api_key").prefetch_related(
        "rule_hits", "made_attempts"
    )
    serializer_class = CallSerializer
    filterset_class = CallFilter
    lookup_value_regex = "[0-9a-f]{32}"

    def get_queryset(self) -> Any:
        calls: Any = super().get_queryset()
        return calls.for_staff(self.request.user)

    def get_object(self) -> Call:
        call: Call = super().get_object()
        record("call.read", subject=call, note="In the staff API, without the text.")
        return call
