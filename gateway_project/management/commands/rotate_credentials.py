"""`manage.py rotate_credentials`: encrypt everything with the newest key, so that the older ones can go."""

from collections.abc import Callable
from typing import Any

from allauth.mfa.models import Authenticator
from django.core.management.base import BaseCommand, CommandError

from apps.accounts.models import Issuer, TokenKey
from apps.accounts.sign_in import second_factor_adapter
from apps.chat.idempotency import stored_answers
from apps.chat.models import Repeat
from apps.common.encryption import CannotDecrypt
from apps.operations.models import NotificationChannel
from apps.providers.models import Credential


class Command(BaseCommand):
    help = (
        "Encrypt the secrets of providers, issuers, webhooks, tokens and second factors, and kept answers, with the "
        "first key of GATEWAY_SECRET_KEYS. Run it again whenever you like. Exit code 1 if a secret opens with none of "
        "the keys."
    )
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        closed = self._rotate("credentials", Credential.objects.exclude(ciphertext=""), Credential.encrypt_anew)
        self._rotate("kept answers", Repeat.objects.exclude(answer=""), stored_answers.encrypt_anew)
        closed += self._rotate("client secrets", Issuer.objects.exclude(ciphertext=""), Issuer.encrypt_anew)
        channels = NotificationChannel.objects.exclude(ciphertext="")
        closed += self._rotate("secrets of webhooks", channels, NotificationChannel.encrypt_anew)
        closed += self._rotate("second factors", Authenticator.objects.all(), second_factor_adapter.encrypt_anew)
        closed += self._rotate("signing keys", TokenKey.objects.all(), TokenKey.encrypt_anew)
        if closed:
            raise CommandError(
                f"These open with none of the keys: {', '.join(closed)}. "
                "Add their key to GATEWAY_SECRET_KEYS, or enter them again."
            )
        self.stdout.write("All secrets have the newest key. The older ones are no longer needed.")

    def _rotate(self, title: str, rows: Any, encrypt_anew: Callable[[Any], bool]) -> list[str]:
        """Encrypt rows one by one, since calls go on meanwhile. Returns those that do not open."""
        done, already, closed = 0, 0, []
        for pk in list(rows.order_by("pk").values_list("pk", flat=True)):
            row = rows.filter(pk=pk).first()
            if row is None:  # deleted or emptied meanwhile
                continue
            try:
                changed = encrypt_anew(row)
                done, already = done + changed, already + (not changed)
            except CannotDecrypt:
                closed.append(str(row))
        self.stdout.write(f"{title}: {done} encrypted anew, {already} had the newest key, {len(closed)} do not open.")
        return closed
