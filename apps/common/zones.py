"""Time zones by name, each read from disk once."""

from functools import lru_cache
from zoneinfo import ZoneInfo


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The zone of this name. Whoever loads rows that name one asks in that thread, and spares the event loop the file.

    Raises ZoneInfoNotFoundError.
    """
    return ZoneInfo(name)
