"""Checking a user name and a password outside the sign-in page, within the same limits."""

from allauth.account.adapter import get_adapter
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from apps.accounts.models import User
from apps.common.errors import RateLimited, Unavailable

WAIT = 300.0


def checked(request: HttpRequest, *, username: str, password: str) -> User | None:
    """The active member of staff with this name and password, or None for every other reason.

    Raises RateLimited after too many failures, before a hash is computed, and Unavailable if too many are being
    computed. A second factor, if the person has one, is the caller's to ask for.
    """
    adapter = get_adapter(request)
    try:
        user: User | None = adapter.authenticate(request, username=username, password=password)
    except ValidationError as error:
        if isinstance(error.__cause__, Unavailable):
            raise error.__cause__ from None
        raise RateLimited(
            "There were too many failed attempts. Wait five minutes, then try again.", wait=WAIT
        ) from None
    return user
