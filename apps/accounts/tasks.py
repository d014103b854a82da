"""Celery tasks of accounts."""

from datetime import UTC, datetime
from typing import Any

from celery import shared_task

from apps.accounts.rosters import applying  # noqa: F401  # registers its job
from apps.accounts.tokens import upkeep


@shared_task(ignore_result=True)
def forget_tokens(**kwargs: Any) -> int:
    """Delete what is known of tokens that have expired."""
    return upkeep.forget(now=datetime.now(UTC))
