"""Celery tasks for jobs, and for what has expired."""

from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from celery import shared_task
from django.conf import settings

from apps.common import beats, jobs
from apps.common.models import CacheEntry, Job


@shared_task(ignore_result=True)
def note_beat(**kwargs: Any) -> None:
    """Show that beat, broker and worker are at work."""
    beats.note(settings.WORKER_BEAT)


@shared_task(ignore_result=True)
def run_jobs(**kwargs: Any) -> int:
    """Run waiting jobs, as far as this machine has slots for them."""
    return jobs.look(owners=settings.OWNER_DIR)


@shared_task(ignore_result=True)
def forget_jobs(**kwargs: Any) -> int:
    """Delete jobs that ended long ago."""
    return Job.objects.forget_old(now=datetime.now(UTC))


@shared_task(ignore_result=True)
def forget_expired(**kwargs: Any) -> int:
    """Delete entries of the cache and sessions that have expired."""
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
    deleted, _ = CacheEntry.objects.filter(expires__lt=datetime.now(UTC)).delete()
    return deleted
