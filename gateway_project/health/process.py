"""What this process knows of itself: its data plane, how long it has run, and whether its clock was set meanwhile."""

import time

from apps.dataplane.plane import DataPlane

_plane: DataPlane | None = None
_started = time.monotonic()
_offset = time.time() - time.monotonic()


def watch(plane: DataPlane | None) -> None:
    """Remember the data plane of this process, so that readiness knows whether it is draining."""
    global _plane
    _plane = plane


def plane() -> DataPlane | None:
    """The data plane of this process, if it has one and it has started."""
    return _plane


def is_draining() -> bool:
    return _plane is not None and _plane.is_draining


def limits_are_local() -> bool:
    """Whether this process limits requests by itself, because Redis is away."""
    return _plane is not None and bool(getattr(_plane.rates, "is_local", False))


def uptime() -> float:
    """Seconds since this process has loaded its code."""
    return time.monotonic() - _started


def clock_step() -> float:
    """By how many seconds the clock was set since the process started."""
    return time.time() - time.monotonic() - _offset
