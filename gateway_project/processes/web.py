"""A web process: uvicorn with a graceful shutdown for live streams.

On a stop signal, the stock server closes its lifespan while streams are open and dies by the same signal, so nothing is
settled. This one stops accepting, gives live answers time to end, ends the rest with an error event, waits until all of
them are settled, and only then shuts down like uvicorn.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from functools import partial
from types import FrameType

import uvicorn

from gateway_project.edge.protocol import BoundedProtocol
from gateway_project.processes import descriptors, unneeded

logger = logging.getLogger("gateway_project.processes.web")

LAST_BYTES_SECONDS = 1.0


class DrainingServer(uvicorn.Server):
    """Serves on one inherited socket until SIGTERM or SIGINT, or until the pipe `parent` closes."""

    def __init__(self, config: uvicorn.Config, *, parent: int | None, drain_seconds: float) -> None:
        super().__init__(config)
        self._parent = parent
        self._drain_seconds = drain_seconds

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._parent is not None:
            asyncio.get_running_loop().add_reader(self._parent, self._parent_died)
        await super().startup(sockets)

    def _parent_died(self) -> None:
        """The pipe has closed: the supervisor is gone."""
        asyncio.get_running_loop().remove_reader(self._parent)  # type: ignore[arg-type]
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        from gateway_project.health import process  # needs Django, which is not set up when this module loads

        if (plane := process.plane()) is not None:
            plane.is_draining = True  # readiness fails before anything is closed
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if plane is not None:
            await plane.drain(seconds=self._drain_seconds)
        await self._let_go()
        await super().shutdown(sockets)

    async def _let_go(self) -> None:
        """After everything is settled: give clients a moment for the last bytes, then drop those that do not read."""
        if self.server_state.tasks:
            await asyncio.wait(set(self.server_state.tasks), timeout=LAST_BYTES_SECONDS)
        for connection in list(self.server_state.connections):
            if isinstance(connection, BoundedProtocol) and connection.is_answering:
                connection.abort()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Unlike uvicorn's, never forces the exit.

        A service manager may signal every process, so that this one gets SIGINT and the supervisor's SIGTERM for the
        same stop. The supervisor decides when to kill.
        """
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Like uvicorn's, but does not raise the signal again at the end: the process exits with code 0."""
        previous = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def serve(*, sockets: list[socket.socket], parent: int | None) -> None:
    """Run one web process until it is told to stop."""
    from django.conf import settings

    ceiling = descriptors.connection_ceiling(
        wanted=settings.MAX_CLIENT_CONNECTIONS, descriptors=descriptors.raise_limit()
    )
    config = uvicorn.Config(
        "gateway_project.asgi:application",
        loop="uvloop",
        http=partial(BoundedProtocol, ceiling=ceiling),  # type: ignore[arg-type]  # called like a class
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=4096,
        timeout_keep_alive=settings.CLIENT_KEEPALIVE,  # type: ignore[arg-type]  # it accepts fractions
        timeout_graceful_shutdown=5,
    )
    server = DrainingServer(config, parent=parent, drain_seconds=settings.SHUTDOWN_TIMEOUT)
    server.run(sockets=sockets)


# How long one of our threads, such as one that searches a long prompt, may delay the event loop.
SWITCH_SECONDS = 0.002


def main() -> None:
    """Run as `python -m gateway_project.processes.web SOCKET PIPE`, with two inherited file descriptors."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_project.settings")
    # PostgreSQL's timeouts in web processes. Commands such as `migrate` have none, and the ledger's writer has shorter
    # ones.
    os.environ.setdefault("PGOPTIONS", "-c statement_timeout=30000 -c idle_in_transaction_session_timeout=60000")
    import django

    gc.disable()  # nothing loaded now is garbage; `spare_the_collector` enables it again
    with unneeded.left_out():
        django.setup()
        from django.urls import get_resolver

        get_resolver().url_patterns  # noqa: B018  # loads what they lead to
    sys.setswitchinterval(SWITCH_SECONDS)
    listener, parent = (int(argument) for argument in sys.argv[1:3])
    serve(sockets=[socket.socket(fileno=listener)], parent=parent)


if __name__ == "__main__":
    main()
