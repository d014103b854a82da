from argparse import ArgumentParser
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet
from django.utils import timezone

from apps.accounts.models import ApiKey, Course, Membership

MOST_NAMED = 20


class Command(BaseCommand):
    help = "Issue a new API key for a member of a course and print it, once and alone."
    requires_system_checks = ["stoa"]  # only the quick checks of this installation

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--course", required=True, metavar="SLUG")
        parser.add_argument("--member", required=True, metavar="EXTERNAL_ID")
        parser.add_argument("--name", default="", help="For people: where this key is used.")
        parser.add_argument("--expires", metavar="ISO", help="A date, whose end it lives to see, or a date and time.")

    def handle(self, *, course: str, member: str, name: str, expires: str | None, **options: Any) -> None:
        membership = _membership(course, member)
        if len(name) > 100:
            raise CommandError("The name of a key has at most 100 characters.")
        expires_at = _instant(expires, ZoneInfo(membership.course.timezone), now=timezone.now()) if expires else None
        _, text = ApiKey.issue(membership=membership, name=name, expires_at=expires_at)
        self.stdout.write(text)


def _membership(slug: str, external_id: str) -> Membership:
    course = Course.objects.filter(slug=slug).first()
    if course is None:
        raise CommandError(f"There is no course “{slug}”." + _named(Course.objects.all(), "slug"))
    members = Membership.objects.filter(course=course).select_related("course")
    member = members.filter(external_id=external_id).first()
    if member is None:
        named = _named(members, "external_id")
        raise CommandError(f"There is no member “{external_id}” in {slug}.{named}")
    if not member.is_active:
        raise CommandError(f"Member “{external_id}” of {slug} is not active, so a key would be refused.")
    found: Membership = member
    return found


def _named(rows: QuerySet[Any], field: str) -> str:
    """A sentence that lists the existing names, if there are few enough to read."""
    names = list(rows.order_by(field).values_list(field, flat=True)[: MOST_NAMED + 1])
    if not names:
        return " There are none yet."
    return f" There are: {', '.join(names)}." if len(names) <= MOST_NAMED else ""


def _instant(text: str, zone: ZoneInfo, *, now: datetime) -> datetime:
    """The end of a date, or an instant. Without an offset it is in `zone`."""
    try:
        instant = _end_of(text) or datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise CommandError(f"“{text}” is not a date such as 2026-12-31 or 2026-12-31T18:00.") from None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=zone)
    if instant <= now:
        raise CommandError(f"“{text}” has passed already.")
    return instant


def _end_of(text: str) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(text), time.min) + timedelta(days=1)
    except ValueError:
        return None
