"""What django-allauth asks us about second factors."""

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings

from apps.accounts.models import User
from apps.common import encryption
from apps.common.translation import lazy as _

PLACE = "mfa_authenticator:data"


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Encrypts secrets like those of providers."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": _("The code is wrong, or it was used before."),
    }

    def encrypt(self, text: str) -> str:
        return encryption.encrypt(text, place=PLACE, keys=settings.SECRET_KEYS)

    def decrypt(self, encrypted_text: str) -> str:
        return encryption.decrypt(encrypted_text, place=PLACE, keys=settings.SECRET_KEYS)

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:
        number = Authenticator.objects.filter(user=user, type=type).count() + 1
        return f"Passkey {number}"


def encrypt_anew(authenticator: Authenticator) -> bool:
    """Encrypt its secret with the newest key. Raises CannotDecrypt. Passkeys have none."""
    name = next((name for name in ("secret", "seed") if name in authenticator.data), None)
    if name is None:
        return False
    anew = encryption.anew(authenticator.data[name], place=PLACE, keys=settings.SECRET_KEYS)
    if anew is None:
        return False
    old = authenticator.data[name]
    rows = Authenticator.objects.filter(pk=authenticator.pk, **{f"data__{name}": old})
    return bool(rows.update(data={**authenticator.data, name: anew}))
