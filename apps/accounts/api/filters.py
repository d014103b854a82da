"""Filters of the audit log in the staff API."""

from typing import Any

from django_filters import rest_framework as filters

from apps.accounts.models import Course

BOOLEANS = ("true", "false")


class AuditFilter(filters.FilterSet):
    course = filters.CharFilter(method="of_course", help_text="Short name of the course.")
    action = filters.CharFilter(help_text="The whole action, such as key.issued.")
    actor = filters.CharFilter(field_name="actor_name", help_text="User name, or name of a command or task.")
    object_type = filters.CharFilter(help_text="Kind of the object, such as accounts.apikey.")
    object_id = filters.CharFilter(help_text="ID of the object.")
    address = filters.CharFilter(help_text="Address that the request came from.")
    request_id = filters.CharFilter(help_text="ID of the request.")
    security = filters.TypedChoiceFilter(
        field_name="is_security",
        choices=[(text, text) for text in BOOLEANS],
        error_messages={"invalid_choice": f"Choose one of {', '.join(BOOLEANS)}."},
        coerce=lambda text: text == "true",
        help_text="Only security events, or only the others.",
    )
    after = filters.IsoDateTimeFilter(
        field_name="at", lookup_expr="gte", help_text="At this instant or later, such as 2026-09-01T08:00:00Z."
    )
    before = filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt", help_text="Before this instant.")

    def of_course(self, entries: Any, name: str, value: str) -> Any:
        courses = Course.objects.for_staff(self.request.user, "AuditEntry").filter(slug=value)
        return entries.filter(course__in=list(courses.values_list("pk", flat=True)))
