"""What is wrong with the address of a provider, before anything is sent to it."""

import asyncio
from urllib.parse import urlsplit

from apps.common.causes import why
from apps.common.guarded import allowed_addresses

SECONDS = 3.0


def trouble_with(url: str, *, allow_private: bool, seconds: float = SECONDS) -> str:
    """A sentence, or nothing. Looks the name up, in bounded time."""
    parts = urlsplit(url)
    try:
        asyncio.run(allowed_addresses(parts.hostname or "", parts.port, allow_private=allow_private, seconds=seconds))
    except (OSError, UnicodeError) as error:
        return why(error, url=url) or f"The name {parts.hostname} could not be looked up."
    return ""
