"""`manage.py import_roster`: the students of a course from a file, without the admin."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from apps.accounts.models import Course, Roster
from apps.accounts.rosters import applying
from apps.accounts.rosters.planning import RosterPlan
from apps.accounts.rosters.reading import UnreadableRoster, columns_of, read
from apps.common.jobs import JobFailed


class Command(BaseCommand):
    help = "Add, change and deactivate the students of a course as a CSV file says: all of it or nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="as Moodle, Canvas, a campus system or a spreadsheet exports it")
        parser.add_argument("--course", required=True, help="the course's short name")
        parser.add_argument(
            "--deactivate-missing",
            action="store_true",
            help="deactivate students whom an earlier roster brought and who are not in this one",
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        now = datetime.now(UTC)
        roster = _roster(_course(options["course"]), options["file"], now=now)
        found = applying.plan_of(roster)
        self.stdout.write(_told(found))
        if found.mistakes:
            raise CommandError("\n".join(f"line {one.line}, {one.column}: {one.text}" for one in found.mistakes[:100]))
        if options["dry_run"]:
            return
        params = {"plan": found.fingerprint, "deactivates": options["deactivate_missing"]}
        try:
            with transaction.atomic():
                roster.save()
                applying.apply_now(roster, params, by=None, now=now)
        except JobFailed as error:
            raise CommandError(str(error)) from None
        self.stdout.write("Applied.")


def _course(slug: str) -> Course:
    course: Course | None = Course.objects.filter(slug=slug).first()
    if course is None:
        raise CommandError(f"There is no course {slug}.")
    return course


def _roster(course: Course, file: Path, *, now: datetime) -> Roster:
    """What an upload would store. It is not saved yet."""
    try:
        table = read(file.read_bytes())
    except (OSError, UnreadableRoster) as error:
        raise CommandError(str(error)) from None
    columns = columns_of(table.header)
    if "number" not in columns:
        raise CommandError(f"No column is called “student number”. There are: {', '.join(table.header)}")
    stored = {"header": table.header, "rows": table.rows, "lines": table.lines}
    return Roster(course=course, file_name=file.name[:200], created_at=now, table=stored, columns=columns)


def _told(found: RosterPlan) -> str:
    counts = (len(found.new), len(found.changed), len(found.back), len(found.gone), found.same)
    return "{} new, {} changed, {} active again, {} missing in the file, {} as they are".format(*counts)
