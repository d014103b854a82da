"""Runs the checks: each in a thread, with a time limit and one retry. Callers share results for a second.

However many ask, a component is checked at most once a second and by one thread. A check that hangs keeps its thread;
until it returns, the component counts as down and no other thread is started for it.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import connections

from gateway_project.health.states import ComponentReport, Diagnosis, down, reported

logger = logging.getLogger(__name__)

KEPT_SECONDS = 1.0
RETRY_PAUSE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentCheck:
    """`look` may block and may raise. `limit`: the seconds that it has, retry included."""

    name: str
    look: Callable[[], Diagnosis]
    limit: float = 1.0
    is_essential: bool = False


class CheckedComponent:
    """One component, whose check runs in at most one thread. Thread-safe."""

    def __init__(self, check: ComponentCheck) -> None:
        self.check = check
        self._lock = threading.Lock()
        self._running: Future[tuple[Diagnosis, float]] | None = None
        self._seen: Future[tuple[Diagnosis, float]] | None = None  # whose result the report has
        self._began = 0.0
        self._kept_until = 0.0
        self._report: ComponentReport | None = None

    def begin(self) -> None:
        """Start the check, unless it is running or has been made within the last second."""
        with self._lock:
            if self._running is not None and not self._running.done():
                return
            if self._running is not self._seen or time.monotonic() < self._kept_until:
                return
            name = f"health of {self.check.name}"
            running: Future[tuple[Diagnosis, float]] = Future()
            threading.Thread(target=self._run, args=(running,), name=name, daemon=True).start()
            self._began, self._running = time.monotonic(), running  # once it has started: it always ends

    def report(self) -> ComponentReport:
        """Wait for the check that is running, as long as its limit allows."""
        running = self._running
        assert running is not None  # noqa: S101  # `begin` was called
        try:
            found, seconds = running.result(timeout=max(0.0, self._began + self.check.limit - time.monotonic()))
        except TimeoutError:
            found, seconds = down(f"It did not answer within {self.check.limit:g} seconds."), self.check.limit
        return self._take(running, found, seconds)

    def _take(self, running: "Future[tuple[Diagnosis, float]]", found: Diagnosis, seconds: float) -> ComponentReport:
        """Make the report. Of several who waited for the same result, the first makes it."""
        with self._lock:
            if self._report is not None and self._seen is running:
                return self._report
            if running.done():
                self._seen, self._kept_until = running, time.monotonic() + KEPT_SECONDS
            self._report = reported(
                self.check.name,
                found,
                self._report,
                is_essential=self.check.is_essential,
                seconds=seconds,
                now=datetime.now(UTC),
            )
            return self._report

    def _run(self, running: "Future[tuple[Diagnosis, float]]") -> None:
        began = time.monotonic()
        found = self._found()
        with suppress(Exception):
            connections.close_all()
        running.set_result((found, time.monotonic() - began))

    def _found(self) -> Diagnosis:
        try:
            return self.check.look()
        except Exception:
            time.sleep(RETRY_PAUSE)
        try:
            return self.check.look()
        except Exception as error:
            logger.debug("The health check of %s failed", self.check.name, exc_info=True)
            return down(_first_line(error))


class Checkup:
    """All components of this installation, as one process sees them."""

    def __init__(self, checks: Sequence[ComponentCheck]) -> None:
        self._components = {check.name: CheckedComponent(check) for check in checks}

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._components)

    def look(self, names: Collection[str] | None = None) -> list[ComponentReport]:
        """The reports of these components, or of all. All checks run at the same time."""
        chosen = [one for name, one in self._components.items() if names is None or name in names]
        for one in chosen:
            one.begin()
        return [one.report() for one in chosen]


def _first_line(error: Exception) -> str:
    said = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {said}"[:300] if said else type(error).__name__
