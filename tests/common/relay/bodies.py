"""Bodies of requests that come in pieces."""

import asyncio
from collections.abc import AsyncIterator

BLOCK = bytes(range(256)) * 256


async def pieces(*content: bytes) -> AsyncIterator[bytes]:
    for piece in content:
        await asyncio.sleep(0.001)
        yield piece


class Endless:
    """A body of which one counts how much was taken, and whether it was closed."""

    def __init__(self) -> None:
        self.taken = 0
        self.has_begun = self.is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.has_begun = True
        try:
            while True:
                await asyncio.sleep(0)
                self.taken += 1
                yield BLOCK
        finally:
            self.is_closed = True
