"""The second factor of a person who wants tokens: a code of their app, or one of their recovery codes."""

from allauth.mfa.models import Authenticator

from apps.accounts.models import User
from apps.accounts.sign_in.second_factor import is_required

_CODES = (Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES)


def accepted(user: User, code: str | None) -> bool:
    """Whether the code is good, which it is once. People without a second factor are refused if they need one.

    A passkey needs a browser, so whoever has nothing else uses a recovery code here.
    """
    held = list(Authenticator.objects.filter(user=user))
    if not held:
        return not is_required(user)
    if not code:
        return False
    used = next((one for one in held if one.type in _CODES and one.wrap().validate_code(code)), None)
    if used is not None:
        used.record_usage()
    return used is not None
