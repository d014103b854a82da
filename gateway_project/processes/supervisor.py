"""The supervisor: starts the web processes and, embedded, one Celery process, and keeps them running.

It binds the socket itself and lends it to the web processes, so connections wait rather than fail while one of them is
replaced. Each child holds one end of a pipe; when the supervisor dies, however it dies, the children see the pipe close
and stop by themselves.
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

LEAST_SECONDS = 1.0  # a process that dies sooner than this after its start is started again more slowly
MOST_PAUSE = 30.0
IMPATIENCE_SECONDS = 1.0  # a signal this long after the first means that somebody does not want to wait
SEND_BUFFER = 64 * 1024  # what the kernel may keep for a client that does not read; it would keep megabytes


@dataclass(slots=True)
class Child:
    """One process to keep running. `arguments` follow the Python interpreter."""

    name: str
    arguments: Sequence[str]
    descriptors: tuple[int, ...]
    process: "subprocess.Popen[bytes] | None" = None
    started: float = 0.0
    pause: float = 0.0
    due: float = field(default=0.0)

    def start(self) -> None:
        self.started = time.monotonic()
        # A group of its own: Ctrl-C in the terminal reaches the supervisor alone, which then stops everyone in order.
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, *self.arguments], pass_fds=self.descriptors, start_new_session=True
        )

    def look_after(self, now: float) -> None:
        """Start the process, or start it again if it has died."""
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
    """What the signals to stop mean, by when they came.

    One request may arrive several times. A signal to the process group of `make run` reaches the supervisor directly,
    and again from make, which passes it on. Only a signal that comes later is a second request, to hurry.
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
    """Runs children until SIGINT or SIGTERM, then stops all of them and returns. Closes the listener at its end."""

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
        """Ask all children to stop, wait for them, and kill what does not; a later signal makes it hurry."""
        self._listener.close()  # ours too, or new connections would wait for a process that never takes them
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
            signal.signal(number, signal.SIG_IGN)  # all is done; one that comes late must not make it look like a crash


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
