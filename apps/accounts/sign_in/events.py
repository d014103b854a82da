"""What happens at sign-in is recorded, and has consequences for sessions."""

import time
from datetime import UTC, datetime
from typing import Any

from allauth.account.signals import user_logged_in as signed_in
from allauth.mfa import signals as second_factors
from allauth.mfa.models import Authenticator
from django.contrib.auth import signals
from django.dispatch import receiver
from django.http import HttpRequest

from apps.accounts.audit import record
from apps.accounts.sign_in import second_factor, sessions
from apps.accounts.tokens import upkeep


@receiver(signals.user_logged_in)
def _began(request: HttpRequest, **kwargs: Any) -> None:
    sessions.begin(request, now=time.time())


@receiver(signed_in)
def _signed_in(request: HttpRequest, user: Any, **kwargs: Any) -> None:
    from allauth.account.authentication import get_authentication_records

    ways = [one.get("type") or one["method"] for one in get_authentication_records(request, user)]
    record("sign_in.succeeded", subject=user, note=", ".join(ways))


@receiver(signals.user_logged_out)
def _signed_out(user: Any, **kwargs: Any) -> None:
    if user is not None:
        record("sign_in.ended", subject=user)


@receiver(second_factors.authenticator_added)
def _added(request: HttpRequest, user: Any, authenticator: Authenticator, **kwargs: Any) -> None:
    record("second_factor.added", subject=user, after={"type": authenticator.type})
    if authenticator.type != second_factor.Kinds.RECOVERY_CODES:
        second_factor.prove(request, authenticator)
        _end_others(request, user)


@receiver(second_factors.authenticator_removed)
def _removed(request: HttpRequest, user: Any, authenticator: Authenticator, **kwargs: Any) -> None:
    record("second_factor.removed", subject=user, before={"type": authenticator.type})
    _end_others(request, user)
    if not second_factor.has_one(user):
        second_factor.forget_proof(request)


@receiver(second_factors.authenticator_reset)
def _reset(user: Any, authenticator: Authenticator, **kwargs: Any) -> None:
    record("second_factor.renewed", subject=user, after={"type": authenticator.type})


@receiver(second_factors.authentication_failed)
def _code_failed(user: Any, **kwargs: Any) -> None:
    record("second_factor.failed", subject=user)


def _end_others(request: HttpRequest, user: Any) -> None:
    """Whoever got in with less than is asked for from now on: other sessions, and all tokens."""
    sessions.end_all(user, but=request.session.session_key)
    upkeep.sign_out(user, now=datetime.now(UTC))
