"""Services in the staff API, for operators."""

from typing import Any

from django.db.models import OuterRef, Subquery
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers

from apps.common.pagination import NumberedNewestFirst
from apps.common.viewsets import StaffViewSet
from apps.services.differences import HIDDEN
from apps.services.models import Service, ServiceVersion, documented

BOOLEANS = ("true", "false")


class ServiceFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter has no types
    name = filters.CharFilter(help_text="The whole name.")
    prefix = filters.CharFilter(help_text="The whole address below /svc/.")
    enabled = filters.TypedChoiceFilter(
        field_name="is_enabled",
        choices=[(text, text) for text in BOOLEANS],
        error_messages={"invalid_choice": f"Choose one of {', '.join(BOOLEANS)}."},
        coerce=lambda text: text == "true",
        help_text="Only services that are switched on, or only the others.",
    )


class ServiceSerializer(serializers.ModelSerializer[Service]):
    id = serializers.IntegerField(help_text="Later services have greater ones.")
    name = serializers.CharField(help_text="Its name in files, records and metrics.")
    prefix = serializers.CharField(help_text="Its address below /svc/.")
    enabled = serializers.BooleanField(source="is_enabled", help_text="If not, every request is answered 404.")
    number = serializers.IntegerField(help_text="Number of its latest version.", allow_null=True)
    changed_at = serializers.DateTimeField(help_text="When that was made, in UTC.", allow_null=True)
    settings = serializers.SerializerMethodField(
        help_text="All that it is declared to be, with its instances and the short names of its courses. Values that "
        "may be secret are null."
    )

    class Meta:
        model = Service
        fields = ("id", "name", "prefix", "enabled", "number", "changed_at", "settings")
        read_only_fields = fields

    def get_settings(self, service: Service) -> dict[str, Any]:
        courses = [row.course.slug for row in service.service_courses.all()]
        document = documented(service, instances=service.instances.all(), courses=courses)
        return {**document, **{name: dict.fromkeys(document[name]) for name in HIDDEN}}


@extend_schema_view(
    list=extend_schema(summary="All services, newest first; for operators"),
    retrieve=extend_schema(
        summary="One service",
        parameters=[OpenApiParameter("id", int, OpenApiParameter.PATH, description="The number of the service.")],
    ),
)
class ServiceViewSet(StaffViewSet):
    """What Stoa fronts at /svc, as operators have declared it. Nobody else finds any."""

    queryset = Service.objects.prefetch_related("instances", "service_courses__course")
    serializer_class = ServiceSerializer
    filterset_class = ServiceFilter
    pagination_class = NumberedNewestFirst
    lookup_value_regex = "[0-9]{1,18}"

    def get_queryset(self) -> Any:
        latest = ServiceVersion.objects.filter(service=OuterRef("pk")).order_by("-number")
        services: Any = super().get_queryset()
        return services.for_staff(self.request.user).annotate(
            number=Subquery(latest.values("number")[:1]), changed_at=Subquery(latest.values("at")[:1])
        )
