"""`manage.py forget_audit --older-than DAYS`: the only way in which audit entries go."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from apps.accounts.audit import record
from apps.accounts.models import AuditEntry


class Command(BaseCommand):
    help = "Delete audit entries that are older than so many days. That is an entry itself."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--older-than", type=int, required=True, metavar="DAYS", help="At least 1.")

    def handle(self, *args: Any, **options: Any) -> None:
        days = options["older_than"]
        if not 1 <= days <= 36_500:
            raise CommandError("--older-than must be from 1 to 36500 days.")
        with transaction.atomic():
            before = timezone.now() - timedelta(days=days)
            count = AuditEntry.objects.forget(before=before)
            record("audit.forgotten", after={"before": before, "entries": count})
        self.stdout.write(f"{count} entries from before {before:%Y-%m-%d %H:%M} UTC deleted.")
