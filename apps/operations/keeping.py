"""Stores what happened, and who is to be told of it when."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import IntegrityError, transaction

from apps.operations.models import Notification, NotificationChannel, NotificationDelivery

_State = NotificationDelivery.State


def keep(found: Iterable[Notification], channels: Sequence[NotificationChannel], *, now: datetime) -> int:
    """Store those that are new, with a delivery to each channel that wants them. Returns how many were new."""
    rows = list(found)
    known = set(Notification.objects.filter(key__in=[row.key for row in rows]).values_list("key", flat=True))
    return sum(_keep(row, channels, now) for row in rows if row.key not in known)


def _keep(row: Notification, channels: Sequence[NotificationChannel], now: datetime) -> bool:
    try:
        with transaction.atomic():
            row.save(force_insert=True)
            told = [channel for channel in channels if wants(channel, row)]
            NotificationDelivery.objects.bulk_create(_delivery(row, channel, now) for channel in told)
    except IntegrityError:  # another machine found it, or a channel or course was deleted meanwhile
        return False
    return True


def _delivery(row: Notification, channel: NotificationChannel, now: datetime) -> NotificationDelivery:
    due_at = _due_at(channel, row, now)
    return NotificationDelivery(notification=row, channel=channel, due_at=due_at, asked_at=due_at)


def wants(channel: NotificationChannel, row: Notification) -> bool:
    """What happened before there was the channel is no news to it."""
    is_chosen = bool(getattr(channel, row.about)) and row.at >= channel.created_at
    return is_chosen and (channel.course_id is None or channel.course_id == row.course_id)


def _due_at(channel: NotificationChannel, row: Notification, now: datetime) -> datetime:
    """Now, unless the channel was told the same within its cooldown: then at the end of that."""
    same = NotificationDelivery.objects.filter(
        channel=channel, notification__subject=row.subject, notification__kind=row.kind
    )
    last = same.filter(state=_State.SENT, sent_at__gt=now - channel.cooldown).order_by("-sent_at").first()
    return last.sent_at + channel.cooldown if last is not None and last.sent_at is not None else now
