"""Time zones by name, each read from disk once."""

from functools import lru_cache
from zoneinfo import ZoneInfo


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The zone of this name. Raises ZoneInfoNotFoundError.

    Code that loads rows with the name of a zone calls this in its thread, so that the event loop never reads the file.
    """
    return ZoneInfo(name)
