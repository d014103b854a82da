"""One round of health checks: asks those that are due, and keeps what they found."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from django.db import OperationalError, transaction

from apps.common.models import Revision
from apps.common.outages import database_outage
from apps.common.owners import only_one
from apps.providers.health.rows import note_probe
from apps.providers.models import TOPIC, Credential, LastProbe, Provider
from apps.providers.models.probes import MOST_NAMES
from apps.providers.probes.asking import Probe, Subject, ask_all
from apps.providers.probes.subjects import probed, subjects_of

UNWELL = frozenset({"unreachable", "too_slow", "broken", "error"})  # students' calls would fare no better
PERIOD = timedelta(seconds=30)
_seen: dict[str, int] = {}  # the revision of the providers at the last round of this process


def look(*, owners: Path, clock: Callable[[], datetime]) -> int:
    """What a worker does every second: a round, if one is due and none is running here. Returns how many it asked.

    A database outage is logged once, and not raised.
    """
    try:
        with only_one(owners / "probes.place") as alone:
            asked = _round(clock) if alone else 0
    except OperationalError as error:
        database_outage.began(error)
        return 0
    database_outage.ended()
    return asked


def _round(clock: Callable[[], datetime]) -> int:
    revision = Revision.objects.filter(topic=TOPIC).values_list("number", flat=True).first() or 0
    if revision == _seen.get(TOPIC) and not LastProbe.objects.older_than(clock() - PERIOD).exists():
        return 0
    subjects = subjects_of(probed())
    LastProbe.objects.forget_all_but([subject.key for subject in subjects])
    asked = due(subjects, LastProbe.objects.in_bulk(), now=clock())
    keep(asked, asyncio.run(ask_all(asked)), now=clock())
    _seen[TOPIC] = revision
    return len(asked)


def due(subjects: Sequence[Subject], last: dict[str, LastProbe], *, now: datetime) -> list[Subject]:
    """Those that were not asked for PERIOD, or have changed since."""

    def is_due(subject: Subject) -> bool:
        row = last.get(subject.key)
        return row is None or row.fingerprint != subject.fingerprint or row.at <= now - PERIOD

    return [subject for subject in subjects if is_due(subject)]


def keep(subjects: Sequence[Subject], probes: Sequence[Probe], *, now: datetime) -> list[LastProbe]:
    """Store what was found, except about providers and credentials that were deleted meanwhile."""
    with transaction.atomic():
        providers = set(Provider.objects.values_list("pk", flat=True))
        credentials = {None, *Credential.objects.values_list("pk", flat=True)}
        rows = [
            _row(subject, probe, now)
            for subject, probe in zip(subjects, probes, strict=True)
            if subject.provider_id in providers and subject.credential_id in credentials
        ]
        LastProbe.objects.put(rows)
    for provider in {row.provider_id for row in rows}:
        _tell(provider, [row for row in rows if row.provider_id == provider], now)
    return rows


def _tell(provider: int, rows: Sequence[LastProbe], now: datetime) -> None:
    """Let the health of its deployments know. A provider that answers with any of its credentials is there."""
    failed = [row for row in rows if row.trouble in UNWELL]
    asked = [row for row in rows if row.trouble != "secret"]
    ok = len(failed) < len(asked) if asked else None
    note_probe(provider, ok=ok, detail=failed[0].sentence if failed else "", now=now)


def _row(subject: Subject, probe: Probe, now: datetime) -> LastProbe:
    models = probe.finding.models
    return LastProbe(
        key=subject.key,
        provider_id=subject.provider_id,
        credential_id=subject.credential_id,
        fingerprint=subject.fingerprint,
        at=now,
        trouble=probe.finding.trouble,
        sentence=probe.finding.sentence,
        latency_ms=probe.latency_ms,
        model_count=None if models is None else len(models),
        model_names=list(models or ())[:MOST_NAMES],
    )
