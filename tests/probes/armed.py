"""The probes themselves, inside a web process."""

import asyncio
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import uvicorn
from blockbuster import BlockBuster, BlockingError
from blockbuster import blockbuster as library

INTERVAL = 0.02
LOOK_SECONDS = 0.1  # between two looks for changed rows, so that hundreds of tests wait less for theirs to be seen
BLOCKING = "Blocking call on the event loop"  # as in tests/probes/__init__.py, which is no neighbour in this process


def arm(directory: str) -> None:
    """Wrap the server's start and end: what is done before the first request or after the last may block."""
    start, stop = uvicorn.Server.startup, uvicorn.Server.shutdown
    detector, lag = _detector(), Lag(Path(directory) / f"lag-{os.getpid()}.json")

    async def startup(server: uvicorn.Server, sockets: Any = None) -> None:
        await start(server, sockets)
        if (revisions := sys.modules.get("apps.common.revisions")) is not None:
            revisions.POLL_SECONDS = LOOK_SECONDS  # type: ignore[attr-defined]
        detector.activate()
        lag.begin()

    async def shutdown(server: uvicorn.Server, sockets: Any = None) -> None:
        detector.deactivate()
        lag.end()
        await stop(server, sockets)

    uvicorn.Server.startup = startup  # type: ignore[method-assign]
    uvicorn.Server.shutdown = shutdown  # type: ignore[method-assign]


def _detector() -> BlockBuster:
    """One that says where, and lets the call go on: the product behaves as it would without us."""
    wrap = library._wrap_blocking

    def reporting(modules: Any, excluded: Any, function: Any, name: str, allowed: Any, may_block: Any) -> Any:
        checked = wrap(modules, excluded, function, name, allowed, may_block)

        def call(*arguments: Any, **options: Any) -> Any:
            try:
                return checked(*arguments, **options)
            except BlockingError:
                _report(name)
                return function(*arguments, **options)

        return call

    library._wrap_blocking = reporting
    detector = BlockBuster()
    for function in detector.functions.values():
        # Django keeps a large upload to the control plane in a temporary file, and writes it where it stands.
        function.can_block_in("django/core/handlers/asgi.py", "read_body")
        function.can_block_in("coverage/collector.py", "lock_data")
    return detector


def _report(name: str) -> None:
    library._skip.value = True
    try:
        where = "".join(traceback.format_stack()[-12:-2])
        print(f"{BLOCKING}: {name}\n{where}", file=sys.stderr, flush=True)
    finally:
        library._skip.value = False


class Lag:
    """Sleeps again and again, and notes how much later than asked the loop came back."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._late: list[float] = []
        self._held: list[float] = []

    def begin(self) -> None:
        self._task = asyncio.create_task(self._sample())

    def end(self) -> None:
        self._task.cancel()
        self._path.write_text(json.dumps({"late": self._late, "held": self._held}))

    async def _sample(self) -> None:
        while True:
            clock, computed = time.monotonic(), time.thread_time()
            await asyncio.sleep(INTERVAL)
            lag = time.monotonic() - clock - INTERVAL
            self._late.append(round(lag * 1000, 1))
            self._held.append(round(min(lag, time.thread_time() - computed) * 1000, 1))
