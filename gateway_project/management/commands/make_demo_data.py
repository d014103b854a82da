"""`manage.py make_demo_data`: fill a development installation with courses, students and calls."""

import time
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.accounts.models import Course
from apps.conversations.figures import keeping
from apps.conversations.search.index import index
from gateway_project.demo import ensure_demo
from gateway_project.demo_data import Size, fill

TIDY_SECONDS = 60.0


class Command(BaseCommand):
    help = "Make courses, students and eight weeks of calls, to look at pages and measure them. Not in production."
    requires_system_checks = ["stoa"]

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--calls", type=int, default=1_000, help="How many calls (default: %(default)s).")
        parser.add_argument("--courses", type=int, default=8, help="How many courses (default: %(default)s).")
        parser.add_argument("--students", type=int, default=30, help="In each course (default: %(default)s).")
        parser.add_argument("--days", type=int, default=56, help="Until now (default: %(default)s).")
        parser.add_argument("--text-share", type=float, default=0.06, help="Calls with their text (default: 0.06).")
        parser.add_argument("--seed", type=int, default=1, help="Another seed makes other courses (default: 1).")

    def handle(self, **options: Any) -> None:
        if settings.ENV.is_production:
            raise CommandError("Demo data is for development. This installation is in production.")
        size = Size(**{name: options[name] for name in ("calls", "courses", "students", "days", "text_share", "seed")})
        if Course.objects.filter(slug__startswith=f"demo-{size.seed}-").exists():
            raise CommandError(f"Demo data of seed {size.seed} exists already. Choose another with --seed.")
        ensure_demo(data_dir=settings.DATA_DIR, base_url=f"http://127.0.0.1:{settings.ENV.port}")
        began = time.monotonic()
        filled = fill(size, now=datetime.now(UTC), progress=lambda calls: self._progress(calls, size.calls, began))
        while keeping.keep(now=datetime.now(UTC)):
            pass
        index().tidy(seconds=TIDY_SECONDS)
        self.stdout.write(
            f"\n{filled.courses} courses, {filled.students} students and {filled.calls} calls. "
            "Run `manage.py audit_ledger` to prove the ledger; demo.json has the passwords."
        )

    def _progress(self, calls: int, of: int, began: float) -> None:
        self.stdout.write(f"\r{calls:>9} of {of} calls, {time.monotonic() - began:.0f} s", ending="")
        self.stdout.flush()
