"""SQLite's write-ahead log, kept short beside the writer."""

import asyncio
import logging

from django.db import DatabaseError, connections

from apps.common.commit import Writer
from apps.common.sessions import SHORTEN_LOG

logger = logging.getLogger(__name__)

LOG_SECONDS = 1.0


async def keep_log_short(writer: Writer) -> None:
    """Bring SQLite's write-ahead log into the database file every second, most of it beside the writer.

    Left to itself, SQLite does all of it within whichever commit makes the log long, and that commit waits for the
    disk. A thread does it while commits go on, and the writer only the little that has come since: then nothing is left
    and the log starts over instead of growing.
    """
    while connections["default"].vendor == "sqlite":
        await asyncio.sleep(LOG_SECONDS)
        try:
            await asyncio.to_thread(_shorten_log)
            writer.start_log_over()
        except DatabaseError as error:
            logger.warning("The write-ahead log could not be brought into the database: %s", error)


def _shorten_log() -> None:
    connection = connections["default"]
    try:
        with connection.cursor() as cursor:
            cursor.execute(SHORTEN_LOG)
    finally:
        connection.close()
