"""Who needs a second factor, and whether a session has proven one."""

from typing import Any

from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY, get_authentication_records
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.http import HttpRequest

from apps.accounts.models import User

Kinds = Authenticator.Type


def is_required(user: Any) -> bool:
    """By the setting SECOND_FACTOR, which names whom: nobody, operators or all staff."""
    if not user.is_staff or settings.SECOND_FACTOR == "off":
        return False
    return bool(settings.SECOND_FACTOR == "staff" or user.is_superuser)


def has_one(user: User) -> bool:
    """Recovery codes alone are none."""
    return bool(Authenticator.objects.filter(user=user).exclude(type=Kinds.RECOVERY_CODES).exists())


def is_proven(request: HttpRequest) -> bool:
    """Whether this session has shown a second factor, at sign-in or since."""
    return any(record.get("method") == "mfa" for record in get_authentication_records(request, request.user))


def prove(request: HttpRequest, authenticator: Authenticator) -> None:
    """Note that this session has shown it. Somebody who has just set it up holds it."""
    record_authentication(request, request.user, "mfa", id=authenticator.pk, type=authenticator.type)


def forget_proof(request: HttpRequest) -> None:
    """After the last one was removed, so that a new one is asked for."""
    records = get_authentication_records(request, request.user)
    request.session[AUTHENTICATION_METHODS_SESSION_KEY] = [one for one in records if one.get("method") != "mfa"]
