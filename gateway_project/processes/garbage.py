"""Keeps garbage collection from delaying requests."""

import gc

YOUNG = 5_000  # allocations between collections of the youngest generation; 700 meant two per request


def spare_the_collector() -> None:
    """Exempt everything that is loaded by now from garbage collection: it lives as long as the process.

    Scanning it took a tenth of a second each time, during which the event loop stood still, or every student's call
    waited for a transaction. Call this once everything is imported. Until then collection may be disabled.
    """
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
