"""Sends what is due: one message a channel and round, so that a storm of news is no storm of messages."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F

from apps.common.encryption import CannotDecrypt
from apps.operations.messages import Notice, NotificationMessage
from apps.operations.models import NotificationChannel, NotificationDelivery
from apps.operations.outlets import Email, Hindered, Outlet, Webhook

logger = logging.getLogger(__name__)

AT_ONCE = 8
MOST_ROWS = 500  # of a channel in one round
TOO_OLD = timedelta(days=1)
WAITS = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300, 900, 3600, 3600, 7200, 7200))  # a working day
_Kind = NotificationChannel.Kind
_State = NotificationDelivery.State
_failing: set[int] = set()  # channels whose trouble is in the log already


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message for one channel, with the deliveries that it is made of."""

    channel: NotificationChannel
    outlet: Outlet
    rows: tuple[NotificationDelivery, ...]
    message: NotificationMessage


def deliver(channels: Iterable[NotificationChannel], *, now: datetime) -> int:
    """Send what is due on these channels. Returns how many messages arrived."""
    waiting = NotificationDelivery.objects.filter(state=_State.WAITING)
    waiting.filter(asked_at__lt=now - TOO_OLD).update(state=_State.DEAD, error="It could not be sent for a day.")
    due = set(waiting.filter(due_at__lte=now).values_list("channel_id", flat=True))
    parcels = [parcel for channel in channels if channel.pk in due and (parcel := _packed(channel, now))]
    if not parcels:
        return 0
    with ThreadPoolExecutor(min(AT_ONCE, len(parcels)), thread_name_prefix="notifications") as threads:
        answers = list(threads.map(lambda parcel: _sent(parcel, now), parcels))
    for parcel, trouble in zip(parcels, answers, strict=True):
        _note(parcel, trouble, now)
    return answers.count("")


def _sent(parcel: Parcel, now: datetime) -> str:
    """What went wrong, whatever it was: the other channels are told all the same."""
    try:
        return parcel.outlet.send(parcel.message, now=now)
    except Exception as error:
        logger.warning("A notification to %s could not be sent: %s", parcel.channel, type(error).__name__)
        return f"It could not be sent ({type(error).__name__})."


def outlet_of(channel: NotificationChannel) -> Outlet:
    if channel.kind == _Kind.EMAIL:
        return Email(tuple(channel.addresses))
    if not channel.ciphertext:
        return Hindered("It has no signing secret yet. Enter one on its page.")
    try:
        secret = channel.secret()
    except CannotDecrypt:
        return Hindered("Its signing secret cannot be decrypted. Enter it again.")
    return Webhook(channel.url, secret, channel.allow_private_network)


def _packed(channel: NotificationChannel, now: datetime) -> Parcel | None:
    """What is due on the channel, claimed: of several machines, one sends it. Nothing, if another was faster."""
    rows = NotificationDelivery.objects.filter(channel=channel, state=_State.WAITING)
    waiting = list(rows.select_related("notification", "notification__course").order_by("pk")[:MOST_ROWS])
    chosen, replaced = latest(waiting, now=now)
    with transaction.atomic():  # one commit, however many there are
        mine = [row for row in chosen if _claim(row, now)]
        if not mine:
            return None
        older = [row.pk for row in replaced]
        NotificationDelivery.objects.filter(pk__in=older, state=_State.WAITING).update(state=_State.SUPERSEDED)
    counts: dict[str, int] = defaultdict(int)
    for row in replaced:
        counts[row.notification.subject] += 1
    notices = [_notice(row, earlier=counts[row.notification.subject]) for row in mine]
    return Parcel(channel, outlet_of(channel), tuple(mine), NotificationMessage.of(notices))


def latest(
    waiting: Sequence[NotificationDelivery], *, now: datetime
) -> tuple[list[NotificationDelivery], list[NotificationDelivery]]:
    """Of each subject of which something is due, the latest news, due or not; and what that replaces."""
    by_subject: dict[str, list[NotificationDelivery]] = defaultdict(list)
    for row in waiting:
        by_subject[row.notification.subject].append(row)
    due = [rows for rows in by_subject.values() if any(row.due_at <= now for row in rows)]
    return [rows[-1] for rows in due], [row for rows in due for row in rows[:-1]]


def _claim(row: NotificationDelivery, now: datetime) -> bool:
    """Count the attempt before it is made, with the time of the next one: whoever dies on the way is no loss."""
    following = now + WAITS[min(row.attempts, len(WAITS) - 1)]
    mine = NotificationDelivery.objects.filter(pk=row.pk, state=_State.WAITING, attempts=row.attempts)
    return bool(mine.update(attempts=F("attempts") + 1, due_at=following))


def _notice(row: NotificationDelivery, *, earlier: int) -> Notice:
    told = row.notification
    return Notice(
        id=told.pk,
        kind=told.kind,
        level=told.level,
        title=told.title,
        detail=told.detail,
        address=f"{settings.PUBLIC_URL}{told.page}",
        course=told.course.slug if told.course is not None else "",
        earlier=earlier,
        at=told.at,
    )


def _note(parcel: Parcel, trouble: str, now: datetime) -> None:
    """Write down how it went, and say so in the log when that has changed."""
    rows = NotificationDelivery.objects.filter(pk__in=[row.pk for row in parcel.rows], state=_State.WAITING)
    channel = parcel.channel
    if not trouble:
        rows.update(state=_State.SENT, sent_at=now, error="")
        if channel.pk in _failing:
            _failing.discard(channel.pk)
            logger.warning("The notification channel %s works again", channel)
        return
    rows.update(error=trouble[:300])
    if rows.filter(attempts__gte=len(WAITS)).update(state=_State.DEAD):
        logger.error("A notification to %s was given up after %d attempts: %s", channel, len(WAITS), trouble)
    if channel.pk not in _failing:
        _failing.add(channel.pk)
        logger.error("The notification channel %s fails and is tried again: %s", channel, trouble)
