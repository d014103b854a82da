"""Answering requests for more: one or several, on any page. A grant can be undone for ten seconds."""

from collections.abc import Sequence
from uuid import uuid4

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from apps.common.display import number
from apps.quotas import requests
from apps.quotas.admin.access import user_of
from apps.quotas.admin.grants import beyond, tell_granted
from apps.quotas.models import AllowanceRequest


def decided_by_another(row: AllowanceRequest) -> str:
    """What a colleague decided in the meantime."""
    row.refresh_from_db()
    who, what = row.decided_by or gettext("Somebody who has left"), str(row.state)
    amount = f" {in_tokens(row.granted_tokens)}" if row.granted_tokens is not None else ""
    return gettext("{who} {what}{amount} in the meantime: “{answer}” Nothing was changed.").format(
        who=who, what=what, amount=amount, answer=row.answer
    )


def grant_one(
    request: HttpRequest, row: AllowanceRequest, *, tokens: int, answer: str = "", back: str, asks: bool = True
) -> str:
    """Grant, and say so. Returns a question instead if the course has less left than that, unless it `asks` no more."""
    now, course, once = timezone.now(), row.membership.course, uuid4()
    if asks and row.state == AllowanceRequest.State.OPEN and (question := beyond(course, tokens=tokens, now=now)):
        return question
    try:
        done = requests.grant(row, by=user_of(request), now=now, tokens=tokens, answer=answer, once=once)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return ""
    if done:
        said = gettext("{tokens} granted to {person}, live within two seconds.").format(
            tokens=in_tokens(tokens), person=row.membership.person
        )
        tell_granted(request, course, said, id=once, back=back)
    else:
        messages.warning(request, decided_by_another(row))
    return ""


def decline_one(request: HttpRequest, row: AllowanceRequest, *, answer: str) -> None:
    try:
        done = requests.decline(row, by=user_of(request), now=timezone.now(), answer=answer)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return
    if done:
        messages.success(
            request, gettext("Declined. {person} reads your sentence.").format(person=row.membership.person)
        )
    else:
        messages.warning(request, decided_by_another(row))


def grant_all(request: HttpRequest, rows: Sequence[AllowanceRequest], *, back: str) -> None:
    """Grant what each asked for, except in courses that have less left than that: there each is to be looked at."""
    now, once = timezone.now(), uuid4()
    poor = _courses_with_less(request, rows)
    chosen = [row for row in rows if row.membership.course_id not in poor]
    if not chosen:
        return
    try:
        with transaction.atomic():
            done = [requests.grant(row, by=user_of(request), now=now, once=once) for row in chosen]
    except ValidationError as error:
        messages.error(request, gettext("Nothing was granted. {messages}").format(messages=" ".join(error.messages)))
        return
    said = gettext("{done} granted. The students see it in their usage.").format(done=sum(done))
    if any(done):
        tell_granted(request, chosen[0].membership.course, said, id=once, back=back)
    tell_late(request, done)


def decline_all(request: HttpRequest, rows: Sequence[AllowanceRequest], *, answer: str) -> None:
    now = timezone.now()
    done = [requests.decline(row, by=user_of(request), now=now, answer=answer) for row in rows]
    messages.success(request, gettext("{done} declined. The students see it in their usage.").format(done=sum(done)))
    tell_late(request, done)


def tell_late(request: HttpRequest, done: Sequence[bool]) -> None:
    if late := len(done) - sum(done):
        messages.warning(request, gettext("{late} had been decided already and stay as they are.").format(late=late))


def _courses_with_less(request: HttpRequest, rows: Sequence[AllowanceRequest]) -> set[int]:
    """The courses that have less left than these rows ask for together. Says so."""
    now, poor = timezone.now(), set[int]()
    for course in {row.membership.course for row in rows}:
        asked = sum(
            row.tokens for row in rows if row.membership.course == course and row.state == AllowanceRequest.State.OPEN
        )
        if asked and beyond(course, tokens=asked, now=now):
            poor.add(course.pk)
            said = gettext("{course}: these requests are for {asked}, more than the course has left.").format(
                course=course, asked=in_tokens(asked)
            )
            messages.warning(
                request, gettext("{said} None of them was granted; decide them one by one.").format(said=said)
            )
    return poor


def in_tokens(amount: int) -> str:
    return ngettext("{amount} token", "{amount} tokens", amount).format(amount=number(amount))
