"""`manage.py sign_out USERNAME`: refuse all tokens of a person."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.tokens import upkeep


class Command(BaseCommand):
    help = "Refuse every token of a person from now on. API keys are not tokens: revoke them in the admin."
    requires_system_checks = ["stoa"]

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def handle(self, *, username: str, **options: Any) -> None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is no user “{username}”.")
        ended = upkeep.sign_out(user, now=timezone.now())
        self.stdout.write(f"{user} is signed out everywhere; {ended} token families ended.")
