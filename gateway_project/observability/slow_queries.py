"""Has every connection to the database tell what was slow."""

import time
from typing import Any

from django.db.backends.signals import connection_created

from apps.common.slowness import slowness


def watch() -> None:
    connection_created.connect(_watch, dispatch_uid="slow queries")


def _watch(connection: Any, **kwargs: Any) -> None:
    if _timed not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, _timed)  # those who take theirs off take the last one


def _timed(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    began = time.perf_counter()
    try:
        return execute(sql, params, many, context)
    finally:
        slowness.query(sql, time.perf_counter() - began)
