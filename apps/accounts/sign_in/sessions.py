"""How long a session lasts, and ending those of somebody."""

from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.http import HttpRequest

BEGAN, SEEN = "stoa_began", "stoa_seen"
SEEN_EVERY = 60.0  # seconds; the session is written no more often


def begin(request: HttpRequest, *, now: float) -> None:
    request.session[BEGAN] = request.session[SEEN] = now


def is_over(session: Any, *, now: float) -> bool:
    """By its age, or because nobody used it for long."""
    began, seen = session.get(BEGAN, now), session.get(SEEN, now)
    return bool(now - began > settings.SESSION_COOKIE_AGE or now - seen > settings.SESSION_IDLE_SECONDS)


def keep(session: Any, *, now: float) -> None:
    """Note that it was used. Saving it also finds out whether it was ended meanwhile."""
    if now - session.get(SEEN, 0.0) > SEEN_EVERY:
        session.setdefault(BEGAN, now)
        session[SEEN] = now


def is_recent(request: HttpRequest, *, now: float, within: float) -> bool:
    """Whether the person signed in, or confirmed that they are there, in the last `within` seconds."""
    proofs = [record["at"] for record in get_authentication_records(request, request.user)]
    return bool(now - max([request.session.get(BEGAN, 0.0), *proofs]) < within)


def end_all(user: Any, *, but: str | None = None) -> int:
    """End every session of this person, except that of the key `but`. Returns how many there were."""
    ended = 0
    for session in UserSession.objects.filter(user=user).exclude(session_key=but or ""):
        session.end()
        ended += 1
    return ended
