"""`manage.py audit_ledger`: prove that the ledger adds up."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.quotas.ledger.audit import audit


class Command(BaseCommand):
    help = "Prove every balance and hold from the ledger's entries. Exit code 1, and the rows, if anything is off."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        found = audit()
        for drift in found.drifts:
            self.stdout.write(str(drift))
        looked_at = f"{found.weeks} weeks, {found.holds} holds ({found.open_holds} open), excess {found.excess}"
        self.stdout.write(f"{looked_at}: drift {found.drift}")
        if found.drifts:
            raise CommandError("The ledger does not add up.")
