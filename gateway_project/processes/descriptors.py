"""File descriptors: as many as the machine allows, and a share of them that clients may not take."""

import resource

SPARE = 64  # databases, spools, logs, listeners, the event loop, and room for what is opened for a moment


def raise_limit() -> int:
    """Let this process open as many files as it is allowed to at all. The limit from now on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return _finite(hard)


def connection_ceiling(*, wanted: int, descriptors: int) -> int:
    """How many clients may be connected, so that each finds a connection to its provider: one of two, after the spare.

    Accepting is never the place where descriptors run out; it would be tried again at once, and for ever.
    """
    return max(1, min(wanted, (descriptors - SPARE) // 2))


def _finite(limit: int) -> int:
    return 2**20 if limit == resource.RLIM_INFINITY else limit
