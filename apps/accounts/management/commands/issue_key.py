from argparse import ArgumentParser
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_slug
from django.db.models import QuerySet
from django.utils import timezone

from apps.accounts.models import ApiKey, Course, Membership, StaffKey, User
from apps.accounts.scopes import SURFACES, Scopes

MOST_NAMED = 20
_NAMES = ("models", "surfaces", "services")


class Command(BaseCommand):
    help = "Issue a new key and print it, once and alone: an API key for a member of a course, or one of staff."
    requires_system_checks = ["stoa"]  # only the quick checks of this installation

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--course", metavar="SLUG", help="With --member: whose API key it is.")
        parser.add_argument("--member", metavar="EXTERNAL_ID")
        parser.add_argument("--staff", metavar="USER", help="Instead: a user name, for a key for /api/staff.")
        parser.add_argument("--name", default="", help="For people: where this key is used.")
        parser.add_argument("--expires", metavar="ISO", help="A date, whose end it lives to see, or a date and time.")

        parser.add_argument("--models", nargs="+", metavar="MODEL", help="The only models that it may ask.")
        parser.add_argument("--surfaces", nargs="+", choices=SURFACES, help="The only parts of the APIs that it opens.")
        parser.add_argument("--services", nargs="+", metavar="SERVICE", help="The only services that it may call.")
        parser.add_argument("--assignment", default="", metavar="TAG", help="The tag that every call carries.")
        parser.add_argument("--read-only", action="store_true", help="It reads, but starts and changes nothing.")
        parser.add_argument("--may-change", action="store_true", help="A key of staff that may do more than read.")

    def handle(self, *, name: str, expires: str | None, staff: str | None, **options: Any) -> None:
        if len(name) > 100:
            raise CommandError("The name of a key has at most 100 characters.")
        if staff is not None:
            self.stdout.write(_of_staff(staff, options, name=name, expires=expires))
        else:
            self.stdout.write(_of_member(options, name=name, expires=expires))


def _of_staff(username: str, options: dict[str, Any], *, name: str, expires: str | None) -> str:
    given = [
        option for option in ("course", "member", "models", "surfaces", "services", "assignment") if options[option]
    ]
    if given:
        raise CommandError(f"A key of staff takes no --{given[0]}: it may do what its holder may do.")
    user = User.objects.filter(username=username, is_staff=True, is_active=True).first()
    if user is None:
        raise CommandError(f"There is no active member of staff “{username}”.")
    expires_at = _instant(expires, ZoneInfo("UTC"), now=timezone.now()) if expires else None
    reads_only = not options["may_change"]
    return StaffKey.issue(user=user, name=name, expires_at=expires_at, reads_only=reads_only)[1]


def _of_member(options: dict[str, Any], *, name: str, expires: str | None) -> str:
    if not (options["course"] and options["member"]):
        raise CommandError("Give --course and --member, or --staff.")
    membership = _membership(options["course"], options["member"])
    expires_at = _instant(expires, ZoneInfo(membership.course.timezone), now=timezone.now()) if expires else None
    scopes = _scopes(options)
    return ApiKey.issue(membership=membership, name=name, expires_at=expires_at, scopes=scopes)[1]


def _scopes(options: dict[str, Any]) -> Scopes:
    try:
        validate_slug(options["assignment"] or "none")
    except ValidationError:
        raise CommandError(f"“{options['assignment']}” is not a tag such as essay-1.") from None
    names = {option: frozenset(options[option]) if options[option] else None for option in _NAMES}
    return Scopes(**names, assignment=options["assignment"], reads_only=options["read_only"])


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
