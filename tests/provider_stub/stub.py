"""The stub itself: an event loop in a thread of its own, a script of behaviours, and the journal."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from tests.provider_stub import http
from tests.provider_stub.behaviour import Behaviour
from tests.provider_stub.journal import Exchange

PATIENCE = 10.0
MODELS = b'{"object": "list", "data": [{"id": "stub-model"}, {"id": "stub-large-2026-01-31"}]}'


class ProviderStub:
    """`will` says what to do with the next request, `always` with all that nothing was said about."""

    def __init__(self) -> None:
        self.journal: list[Exchange] = []
        self.checks: list[Exchange] = []  # every GET, apart from the rest: health checks come when they like
        self.listing = Behaviour(body=MODELS)
        self.port = 0
        self._script: deque[Behaviour] = deque()
        self._otherwise = Behaviour()
        self._paused = asyncio.Event()
        self._accepted = 0
        self._connections: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="provider stub", daemon=True)

    def __enter__(self) -> "ProviderStub":
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Close everything. Stopping twice is harmless."""
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(PATIENCE)

    # The script

    def will(self, *, times: int = 1, **behaviour: Any) -> None:
        """The next request, or the next few, after those already spoken for."""
        self._script.extend([Behaviour(**behaviour)] * times)

    def always(self, **behaviour: Any) -> None:
        self._otherwise = Behaviour(**behaviour)

    def lists(self, **behaviour: Any) -> None:
        """From now on, in answer to health checks."""
        self.listing = Behaviour(**{"body": MODELS, **behaviour})

    def reset(self) -> None:
        """Forget what was to come of `will`."""
        self._script.clear()

    def go_on(self) -> None:
        """Let paused streams, and those that would pause later, go on."""
        self._loop.call_soon_threadsafe(self._paused.set)

    # The journal

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._connections)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def last(self) -> Exchange:
        return self.journal[-1]

    def wait_until(self, condition: Callable[[], object], *, seconds: float = PATIENCE) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"The stub waited {seconds:g} seconds in vain; journal: {self.journal}"
            time.sleep(0.005)

    # The server

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopping.wait()
        server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._accepted += 1
        connection = asyncio.ensure_future(http.converse(reader, writer, stub=self, number=self._accepted))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    def next_behaviour(self) -> Behaviour:
        return self._script.popleft() if self._script else self._otherwise

    async def pause(self) -> None:
        await self._paused.wait()
