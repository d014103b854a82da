"""How often somebody may guess a password or a code. Counted before anything is computed; successes are uncounted.

Three limits: failures from one address; failures on one account from one address; and, more generous, failures on one
account from everywhere. The second is what a person meets who forgot their password, and nobody can use it up for them
from elsewhere. The third bounds guessing from many addresses. A browser in which this account signed in before is
counted by itself, so that neither such an attack nor neighbors behind one address lock the person out of it.

django-allauth counts them in Django's cache. That is the database, so all processes share the counts without Redis.
"""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Literal

from allauth.core.internal import ratelimit
from django.conf import settings
from django.http import HttpRequest, HttpResponse, parse_cookie

COOKIE = "stoa_known"
COOKIE_AGE = 180 * 24 * 3600


@dataclass(frozen=True)
class Guess:
    """One attempt that is allowed and counted. Uncount it if it succeeded."""

    counted: tuple[ratelimit.RateLimitUsage, ...]

    def rollback(self) -> None:
        for usage in self.counted:
            usage.rollback()


def attempt(request: HttpRequest, account: str, *, guessed: Literal["password", "code"]) -> Guess | None:
    """Count an attempt on the account, which is the name that was typed. None if there were too many failures."""
    account = spelled(account)
    if browser := _known(request, account):
        keys = dict.fromkeys(("sign_in_here", "sign_in_account"), f"{guessed}\n{browser}")
    else:
        here, everywhere = f"{guessed}\n{account}\n{ratelimit.get_ip(request)}", f"{guessed}\n{account}"
        keys = {"sign_in_address": "", "sign_in_here": here, "sign_in_account": everywhere}
    counted = []
    for action, key in keys.items():
        usage = ratelimit.consume(request, app="allauth.account", action=action, key=key)
        if usage is None:
            return None
        counted.append(usage)
    return Guess(tuple(counted))


def attempt_key(request: HttpRequest) -> Guess | None:
    """Count an attempt to enter with an API key, by its address alone. None if there were too many failures."""
    usage = ratelimit.consume(request, app="allauth.account", action="sign_in_address", key="")
    return None if usage is None else Guess((usage,))


def spelled(account: str) -> str:
    """One spelling for all that the database takes for the same name."""
    return account.strip().upper().casefold()


def remember_browser(request: HttpRequest, response: HttpResponse, account: str) -> None:
    """Note in a signed cookie that this account has signed in here."""
    if _known(request, spelled(account)):
        return
    value = f"{_fingerprint(spelled(account))}.{secrets.token_hex(8)}"
    response.set_signed_cookie(
        COOKIE, value, max_age=COOKIE_AGE, httponly=True, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE
    )


def has_known_browser(cookies: str) -> bool:
    """True if these cookies, as a header has them, are of a browser in which somebody signed in. Asks no database."""
    request = HttpRequest()
    request.COOKIES = parse_cookie(cookies)
    return bool(request.get_signed_cookie(COOKIE, default="", max_age=COOKIE_AGE))


def _known(request: HttpRequest, account: str) -> str | None:
    value = request.get_signed_cookie(COOKIE, default="", max_age=COOKIE_AGE)
    return value if value and value.partition(".")[0] == _fingerprint(account) else None


def _fingerprint(account: str) -> str:
    """A cookie holds neither letters beyond ASCII nor line breaks, and need not tell who was here."""
    return hashlib.sha256(account.encode()).hexdigest()[:32]
