"""Filters of calls in the staff API.

Courses, members and rules are looked up first, among those that the caller may see, so the query on calls uses their
indexes. What belongs to others finds nothing, like what does not exist.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django_filters import rest_framework as filters

from apps.accounts.models import Course, Membership
from apps.common.ids import first_id
from apps.common.searching import SearchTooLong
from apps.common.staff import invalid_parameter
from apps.conversations.models import Call, CallQuerySet, RuleHit
from apps.rules.models import Rule

EARLIEST, LATEST = 1970, 9000  # years
BOOLEANS = ("true", "false")

# The id is made when the headers arrive, and `started_at` is set when the body has. A slow body lies between.
LONGEST_BODY = timedelta(hours=6)


def one_of(values: Iterable[str]) -> dict[str, str]:
    return {"invalid_choice": f"Choose one of {', '.join(values)}."}


class CallFilter(filters.FilterSet):
    course = filters.CharFilter(method="of_course", help_text="Short name of the course.")
    member = filters.CharFilter(method="of_member", help_text="External ID of the student.")
    model = filters.CharFilter(help_text="The model name that the student sent.")
    status = filters.ChoiceFilter(
        choices=Call.Status.choices, error_messages=one_of(Call.Status.values), help_text="What became of the call."
    )
    error_code = filters.CharFilter(help_text="Code of the refusal or failure that the student saw.")
    rule = filters.CharFilter(method="with_rule", help_text="Name of a rule that was found in the prompt.")
    stream = filters.TypedChoiceFilter(
        field_name="is_stream",
        choices=[(text, text) for text in BOOLEANS],
        error_messages=one_of(BOOLEANS),
        coerce=lambda text: text == "true",
        help_text="Whether the answer was streamed.",
    )
    started_after = filters.IsoDateTimeFilter(
        method="since", help_text="Started at this instant or later, such as 2026-09-01T08:00:00Z."
    )
    started_before = filters.IsoDateTimeFilter(
        method="until", help_text="Started before this instant, such as 2026-09-02T08:00:00Z."
    )
    search = filters.CharFilter(
        method="matching",
        help_text="The start of a request ID, or parts of an external ID, a name or an e-mail address.",
    )

    def of_course(self, calls: CallQuerySet, name: str, value: str) -> CallQuerySet:
        courses = Course.objects.for_staff(self._user).filter(slug=value)
        return calls.filter(course__in=_keys(courses))

    def of_member(self, calls: CallQuerySet, name: str, value: str) -> CallQuerySet:
        members = Membership.objects.for_staff(self._user).filter(external_id=value)
        return calls.filter(membership__in=_keys(members))

    def with_rule(self, calls: CallQuerySet, name: str, value: str) -> CallQuerySet:
        rules = Rule.objects.for_staff(self._user).filter(name=value)
        if course := self.data.get("course"):
            rules = rules.filter(course__slug=course)  # skip hits of rules with the same name in other courses
        return calls.filter(pk__in=RuleHit.objects.filter(rule__in=_keys(rules)).values("call"))

    def since(self, calls: CallQuerySet, name: str, value: datetime) -> CallQuerySet:
        value = _usual(name, value)
        return calls.filter(pk__gte=first_id(value - LONGEST_BODY), started_at__gte=value)

    def until(self, calls: CallQuerySet, name: str, value: datetime) -> CallQuerySet:
        value = _usual(name, value)
        return calls.filter(pk__lt=first_id(value), started_at__lt=value)

    def matching(self, calls: CallQuerySet, name: str, value: str) -> CallQuerySet:
        try:
            return calls.matching(value, members=Membership.objects.for_staff(self._user))
        except SearchTooLong as error:
            raise invalid_parameter(name, str(error)) from error

    @property
    def _user(self) -> Any:
        return self.request.user


def _usual(name: str, instant: datetime) -> datetime:
    """Instants at the ends of the calendar do not exist in every time zone."""
    if not EARLIEST <= instant.year <= LATEST:
        raise invalid_parameter(name, f"Choose a year from {EARLIEST} to {LATEST}.")
    return instant


def _keys(rows: Any) -> list[int]:
    return list(rows.values_list("pk", flat=True))
