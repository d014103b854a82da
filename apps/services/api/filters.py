"""Filters of requests to services in the staff API. What belongs to others finds nothing, like what does not exist."""

from datetime import datetime
from typing import Any

from django_filters import rest_framework as filters

from apps.accounts.models import Course, Membership
from apps.common.ids import first_id
from apps.common.searching import SearchTooLong
from apps.common.staff import invalid_parameter
from apps.services.models import ServiceRecord
from apps.services.models.records import ServiceRecordQuerySet

EARLIEST, LATEST = 1970, 9000  # years
OUTCOMES = [value for value, _ in ServiceRecord.OUTCOMES]


class ServiceRecordFilter(filters.FilterSet):
    service = filters.CharFilter(help_text="Name of the service.")
    course = filters.CharFilter(method="of_course", help_text="Short name of the caller's course.")
    member = filters.CharFilter(method="of_member", help_text="External ID of the caller.")
    method = filters.CharFilter(help_text="Method of the request, such as POST.")
    status = filters.NumberFilter(help_text="HTTP status that the caller saw.", min_value=100, max_value=599)
    outcome = filters.ChoiceFilter(
        choices=ServiceRecord.OUTCOMES,
        error_messages={"invalid_choice": f"Choose one of {', '.join(OUTCOMES)}."},
        help_text="What became of the request.",
    )
    error_code = filters.CharFilter(help_text="Code of Stoa's error.")
    started_after = filters.IsoDateTimeFilter(
        method="since", help_text="Arrived at this instant or later, such as 2026-09-01T08:00:00Z."
    )
    started_before = filters.IsoDateTimeFilter(
        method="until", help_text="Arrived before this instant, such as 2026-09-02T08:00:00Z."
    )
    search = filters.CharFilter(
        method="matching",
        help_text="The start of a path or of a request ID, or parts of an external ID, a name or an e-mail address.",
    )

    def of_course(self, records: ServiceRecordQuerySet, name: str, value: str) -> ServiceRecordQuerySet:
        courses = Course.objects.for_staff(self.request.user).filter(slug=value)
        return records.filter(course__in=list(courses.values_list("pk", flat=True)))

    def of_member(self, records: ServiceRecordQuerySet, name: str, value: str) -> ServiceRecordQuerySet:
        members = Membership.objects.for_staff(self.request.user).filter(external_id=value)
        return records.filter(membership__in=list(members.values_list("pk", flat=True)))

    def since(self, records: ServiceRecordQuerySet, name: str, value: datetime) -> ServiceRecordQuerySet:
        return records.filter(pk__gte=first_id(_usual(name, value)))

    def until(self, records: ServiceRecordQuerySet, name: str, value: datetime) -> ServiceRecordQuerySet:
        return records.filter(pk__lt=first_id(_usual(name, value)))

    def matching(self, records: ServiceRecordQuerySet, name: str, value: str) -> ServiceRecordQuerySet:
        try:
            return records.matching(value, members=Membership.objects.for_staff(self.request.user))
        except SearchTooLong as error:
            raise invalid_parameter(name, str(error)) from error


def _usual(name: str, instant: datetime) -> Any:
    """Instants at the ends of the calendar do not exist in every time zone."""
    if not EARLIEST <= instant.year <= LATEST:
        raise invalid_parameter(name, f"Choose a year from {EARLIEST} to {LATEST}.")
    return instant
