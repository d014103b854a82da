"""The supervisor: starts the web processes and, when embedded, one Celery process, and restarts them when they die.

It binds the socket and shares it with the web processes, so that connections wait, and do not fail, while one restarts.
Each child holds one end of a pipe: when the supervisor dies for any reason, the pipe closes and the children stop.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import FrameType

from gateway_project.observability import metrics

logger = logging.getLogger(__name__)

LEAST_SECONDS = 1.0  # a process that dies sooner than this is restarted more slowly
MOST_PAUSE = 30.0
IMPATIENCE_SECONDS = 1.0  # a signal this long after the first asks to stop at once
SEND_BUFFER = 64 * 1024  # bytes that the kernel buffers for a client that does not read; the default is megabytes


@dataclass(slots=True)
class Child:
    """One process to keep running. `arguments` are those of the Python interpreter."""

    name: str
    arguments: Sequence[str]
    descriptors: tuple[int, ...]
    process: "subprocess.Popen[bytes] | None" = None
    started: float = 0.0
    pause: float = 0.0
    due: float = field(default=0.0)

    def start(self) -> None:
        self.started = time.monotonic()
        # Its own process group: Ctrl-C in the terminal reaches only the supervisor, which then stops all children in
        # order. But our session: where Linux shares the processors between sessions (autogroup), the low priority of
        # the worker counts only against processes of the same one.
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, *self.arguments], pass_fds=self.descriptors, process_group=0
        )

    def look_after(self, now: float) -> None:
        """Start the process, or restart it if it has died."""
        if self.process is None:
            if now >= self.due:
                self.start()
        elif (code := self.process.poll()) is not None:
            short = now - self.started < LEAST_SECONDS
            self.pause = min(MOST_PAUSE, max(0.5, self.pause * 2)) if short else 0.0
            metrics.forget(self.process.pid)
            self.process, self.due = None, now + self.pause
            logger.error("The %s process ended with code %s; starting it again", self.name, code)


@dataclass(slots=True)
class StopSignals:
    """What stop signals mean, depending on when they come.

    One request to stop may arrive several times: a signal to the process group of `make run` reaches the supervisor
    directly, and once more through make. Only a later signal is a second request, to stop at once.
    """

    first: float | None = None
    is_impatient: bool = False

    def note(self, now: float) -> None:
        if self.first is None:
            self.first = now
        elif now - self.first >= IMPATIENCE_SECONDS:
            self.is_impatient = True

    @property
    def is_stop_asked(self) -> bool:
        return self.first is not None


class Supervisor:
    """Runs its children until SIGINT or SIGTERM, then stops them, closes the listener and returns."""

    def __init__(self, listener: socket.socket, *, grace: float) -> None:
        self._listener = listener
        self.parent_pipe, self._pipe = os.pipe()
        self._grace = grace
        self._signals = StopSignals()
        self._children: list[Child] = []

    def add(self, name: str, arguments: Sequence[str], *, descriptors: tuple[int, ...] = ()) -> None:
        self._children.append(Child(name, arguments, (*descriptors, self.parent_pipe)))

    def run(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask_to_stop)
        while not self._signals.is_stop_asked:
            for child in self._children:
                child.look_after(time.monotonic())
            time.sleep(0.05)
        self._stop()

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        self._signals.note(time.monotonic())

    def _stop(self) -> None:
        """Terminate all children, wait, and kill those that do not stop in time. A later signal ends the wait."""
        self._listener.close()  # ours too, or new connections would wait for a process that never accepts them
        running = [child.process for child in self._children if child.process is not None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + self._grace
        while any(process.poll() is None for process in running):
            if time.monotonic() > deadline or self._signals.is_impatient:
                for process in running:
                    process.kill()
            time.sleep(0.02)
        os.close(self._pipe)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # a late signal must not make this exit look like a crash


def bind(address: str, port: int) -> socket.socket:
    """The listening socket that the web processes share. Raises OSError with a sentence that says what to do."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # connections inherit it
    try:
        listener.bind((address, port))
    except OSError as error:
        raise OSError(
            f"Port {port} on {address} cannot be used ({error.strerror}). Choose another: PORT=8001"
        ) from error
    listener.listen(4096)
    listener.set_inheritable(True)
    return listener
