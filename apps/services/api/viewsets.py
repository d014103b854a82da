"""Requests to services in the staff API."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view

from apps.common.viewsets import StaffViewSet
from apps.services.api.filters import ServiceRecordFilter
from apps.services.api.serializers import ServiceRecordSerializer
from apps.services.models import ServiceRecord


@extend_schema_view(
    list=extend_schema(summary="The requests to services of the courses in which you are staff, newest first"),
    retrieve=extend_schema(
        summary="One request to a service",
        parameters=[OpenApiParameter("id", str, OpenApiParameter.PATH, description="The request ID.")],
    ),
)
class ServiceRecordViewSet(StaffViewSet):
    """Who asked which service when, what became of it, and how long it took. They stay for two weeks. A service may
    keep a sample only; whatever went wrong is always kept."""

    queryset = ServiceRecord.objects.select_related("course", "membership")
    serializer_class = ServiceRecordSerializer
    filterset_class = ServiceRecordFilter
    lookup_value_regex = "[0-9a-f]{32}"

    def get_queryset(self) -> Any:
        records: Any = super().get_queryset()
        return records.for_staff(self.request.user)
