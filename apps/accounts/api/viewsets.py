"""The audit log in the staff API."""

from typing import Any

from django.db.models import OuterRef, Subquery
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view

from apps.accounts.api.filters import AuditFilter
from apps.accounts.api.serializers import AuditEntrySerializer
from apps.accounts.models import AuditEntry, Course
from apps.common.pagination import NumberedNewestFirst
from apps.common.viewsets import StaffViewSet


@extend_schema_view(
    list=extend_schema(summary="The audit log of the courses in which you are instructor, newest first"),
    retrieve=extend_schema(
        summary="One entry",
        parameters=[OpenApiParameter("id", int, OpenApiParameter.PATH, description="The number of the entry.")],
    ),
)
class AuditViewSet(StaffViewSet):
    """Who did what, and when. Operators find all entries. Entries never change."""

    queryset = AuditEntry.objects.annotate(
        course_slug=Subquery(Course.objects.filter(pk=OuterRef("course")).values("slug"))
    )
    serializer_class = AuditEntrySerializer
    filterset_class = AuditFilter
    pagination_class = NumberedNewestFirst
    lookup_value_regex = "[0-9]{1,18}"

    def get_queryset(self) -> Any:
        entries: Any = super().get_queryset()
        return entries.for_staff(self.request.user)
