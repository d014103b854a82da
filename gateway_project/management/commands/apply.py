import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError

from gateway_project import apply


class Command(BaseCommand):
    help = "Make providers, models, courses, rules and members agree with a YAML file."
    requires_system_checks = ["stoa"]  # only the quick checks of this installation

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE.yaml", help="The file; - reads standard input.")
        parser.add_argument("--dry-run", action="store_true", help="Show the difference and change nothing.")
        parser.add_argument("--prune", action="store_true", help="Delete what the lists in the file leave out.")

    def handle(self, *, file: str, dry_run: bool, prune: bool, **options: Any) -> None:
        try:
            apply.apply(
                self._read(file),
                source="stdin" if file == "-" else file,
                environment=os.environ,
                prune=prune,
                dry_run=dry_run,
                show=self.stdout.write,
            )
        except apply.Mistakes as mistakes:
            self.stderr.write(f"{mistakes}\nNothing was changed.")
            raise SystemExit(1) from None
        except (IntegrityError, ObjectDoesNotExist) as error:
            raise CommandError("Somebody else changed the same things meanwhile. Nothing was changed.") from error
        if dry_run:
            self.stdout.write("Dry run: nothing was changed.")

    def _read(self, file: str) -> bytes:
        try:
            return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from error
