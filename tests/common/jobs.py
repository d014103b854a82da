"""Jobs of a kind of the test's own."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from apps.common import jobs
from apps.common.jobs import Report, ask
from apps.common.models import Job

NOW = datetime(2026, 10, 5, 12, 0, tzinfo=UTC)


def asked(kind: str, **overrides: Any) -> Job:
    values: dict[str, Any] = {"kind": kind, "title": "A long walk", "params": {"rule": 7}, "author": 1, "now": NOW}
    return ask(**{**values, **overrides})


def known(kind: str, work: Callable[[Job, Report], Any]) -> None:
    jobs.job(kind)(work)


def again(job: Job) -> Job:
    job.refresh_from_db()
    return job


def left_behind(kind: str, **overrides: Any) -> Job:
    """A job whose owner nobody has ever seen."""
    values: dict[str, Any] = {"owner": "nobody", "attempts": 1, "started_at": NOW, "state": "running"}
    return Job.objects.create(kind=kind, title="Left", author=1, created_at=NOW, **{**values, **overrides})
