"""Limits of file descriptors: as many as the system allows, and a share of them for clients."""

import resource

SPARE = 64  # for databases, spools, logs, listeners, the event loop and short-lived files


def raise_limit() -> int:
    """Raise the process's limit of open files to the hard limit. Returns the new limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return _finite(hard)


def connection_ceiling(*, wanted: int, descriptors: int) -> int:
    """How many clients may connect: half of the descriptors after the spare, so that each has one for its provider.

    Accepting a connection must never run out of descriptors, since the event loop would retry it at once, forever.
    """
    return max(1, min(wanted, (descriptors - SPARE) // 2))


def _finite(limit: int) -> int:
    return 2**20 if limit == resource.RLIM_INFINITY else limit
