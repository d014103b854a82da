"""Ends of tokens that no client asks for: signing a person out everywhere, and forgetting what has expired."""

from datetime import datetime

from django.db import transaction

from apps.accounts.models import RevokedToken, TokenFamily, TokenKey, User
from apps.accounts.tokens.access_tokens import LEEWAY, LIFETIME

LATE = LIFETIME + LEEWAY  # how long an access token may outlive its refresh token


def sign_out(user: User, *, now: datetime) -> int:
    """Refuse every token that this person has, in every process within a second. Returns how many families ended.

    Tokens of trusted issuers are refused as well, if they were issued before.
    """
    with transaction.atomic():
        user.sign_out_tokens(now=now)
        return TokenFamily.objects.filter(user=user).alive(now=now).revoke(now=now)


def forget(*, now: datetime) -> int:
    """Delete families, revoked tokens and signing keys that have ended. Returns how many."""
    gone = TokenFamily.objects.forget_old(before=now - LATE) + RevokedToken.objects.forget_expired(now=now)
    old = TokenKey.objects.filter(ends_at__lt=now - LATE)
    if old.exists():  # deleting nothing would still make every process verify its tokens again
        gone += old.delete()[0]
    return gone
