"""`manage.py rotate_signing_keys`: sign access tokens with a new key."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from apps.accounts.tokens import signing


class Command(BaseCommand):
    help = (
        "Make a new key for access tokens. It is published now and signs in ten minutes, when all caches of the set "
        "have it. The old ones stay in the key set until their last token has expired."
    )
    requires_system_checks = ["stoa"]

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--at-once",
            action="store_true",
            help="A private key may have leaked: sign with the new one now, and refuse all tokens of the old ones.",
        )

    def handle(self, *, at_once: bool, **options: Any) -> None:
        now = timezone.now()
        key = signing.replace_at_once(now=now) if at_once else signing.rotate(now=now)
        self.stdout.write(f"{key.kid} signs from {key.signs_from:%Y-%m-%d %H:%M:%S} UTC.")
