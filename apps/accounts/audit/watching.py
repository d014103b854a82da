"""Writes what the data plane noticed about keys: when they were used last, and security events."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from django.db import OperationalError, connection, transaction

from apps.accounts.audit.recording import security_event
from apps.accounts.audit.sightings import GUESS_WINDOW, MOST_AT_ONCE, ROAM_WINDOW, Noticed, Sightings, Watch
from apps.accounts.models import ApiKey, AuditEntry
from apps.accounts.models.stored_keys import DORMANT
from apps.common.actors import Actor, acting
from apps.common.outages import database_outage

logger = logging.getLogger(__name__)

WRITE_SECONDS: Final = 1.0


async def watch_for_ever(sightings: Sightings) -> None:
    """Write at most once a second. What cannot be written is noticed again when a key is used again."""
    watch = Watch()
    while True:
        await asyncio.sleep(WRITE_SECONDS)
        keys, guesses = sightings.take()
        if not (keys or guesses):
            continue
        try:
            findings = watch.judge(keys, guesses, now=(now := datetime.now(UTC)))
            if findings:
                await asyncio.to_thread(_write, findings, now)
                watch.written(findings, now=now)
        except OperationalError as error:
            database_outage.began(error)
        except Exception:
            logger.exception("Writing what was noticed about keys failed; going on")


def _write(findings: Noticed, now: datetime) -> None:
    try:
        write(findings, now=now)
    finally:
        connection.close_if_unusable_or_obsolete()


def write(findings: Noticed, *, now: datetime) -> None:
    """In transactions of few rows, so that no call waits for it. Several processes may write the same."""
    for start in range(0, len(findings.uses), MOST_AT_ONCE):
        _write_uses(findings.uses[start : start + MOST_AT_ONCE], now)
    _write_roaming(findings.roaming, now)
    _write_guesses(findings.guessing, now)


def _write_uses(ids: Sequence[int], now: datetime) -> None:
    with transaction.atomic():
        rows = ApiKey._base_manager.filter(pk__in=ids)
        for row in rows.select_related("membership__user", "membership__course"):
            if now - (row.last_used_at or row.created_at) >= DORMANT:
                row.note_use(now=now)
        rows.update(last_used_at=now)


def _write_roaming(roaming: Mapping[int, int], now: datetime) -> None:
    """The networks themselves are not told: where a student is, is not the course's business."""
    for key, count in roaming.items():
        row = ApiKey._base_manager.select_related("membership__user", "membership__course").filter(pk=key).first()
        if row is not None and not _is_told("key.many_networks", now - ROAM_WINDOW, object_id=str(key)):
            security_event("key.many_networks", subject=row, note=f"Used from {count} networks within an hour.")


def _write_guesses(guessing: Mapping[str, int], now: datetime) -> None:
    for address, count in guessing.items():
        if not _is_told("key.guessed", now - GUESS_WINDOW, address=address):
            with acting(Actor("system", name="Stoa", address=address)):
                security_event("key.guessed", note=f"{count} unknown keys within ten minutes, and maybe more.")


def _is_told(action: str, since: datetime, **about: Any) -> bool:
    return AuditEntry.objects.filter(action=action, at__gt=since, **about).exists()
