"""Clients that are slow to take their answer."""

import asyncio
from collections.abc import Callable
from typing import Any

from django.conf import settings


class SlowReader:
    """The client for which so much waits that no more is written. It must take some within CLIENT_STALL_TIMEOUT."""

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop, *, on_stall: Callable[[], None]) -> None:
        self._transport, self._loop, self._on_stall = transport, loop, on_stall
        self._begin()

    def end(self) -> None:
        """It has taken enough, or left. Safe to repeat."""
        self._timer.cancel()

    def _begin(self) -> None:
        self._left = self._transport.get_write_buffer_size()
        self._timer = self._loop.call_later(settings.CLIENT_STALL_TIMEOUT, self._look)

    def _look(self) -> None:
        if self._transport.get_write_buffer_size() < self._left:
            self._begin()
        else:
            self._on_stall()
