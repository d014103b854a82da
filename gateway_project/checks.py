"""Django system checks for problems of this installation."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register

from gateway_project.data_dir import is_exposed, refusal


@register("stoa")
def sqlite_is_current(app_configs: Sequence[Any] | None, **options: Any) -> list[CheckMessage]:
    if sqlite3.sqlite_version_info >= (3, 51, 3):
        return []
    return [
        Warning(
            f"SQLite {sqlite3.sqlite_version} can corrupt its write-ahead log when two processes write.",
            hint="Install the `pysqlite3` wheel (Linux on x86-64) or a system SQLite of 3.51.3 or later.",
            id="stoa.W001",
        )
    ]


@register("stoa")
def limits_are_shared(app_configs: Sequence[Any] | None, **options: Any) -> list[CheckMessage]:
    processes = settings.WEB_CONCURRENCY
    if processes == 1 or settings.REDIS_URL:
        return []
    return [
        Warning(
            f"{processes} web processes share no Redis: each limits requests alone, to 1/{processes} of each limit.",
            hint="Set REDIS_URL, and limits of requests are exact over all processes.",
            id="stoa.W002",
        )
    ]


@register("stoa")
def data_dir_is_private(app_configs: Sequence[Any] | None, **options: Any) -> list[CheckMessage]:
    if not is_exposed(settings.DATA_DIR):
        return []
    return [Warning(refusal(settings.DATA_DIR), hint="Production refuses to start like this.", id="stoa.W003")]
