"""Garbage collection that does not stand in anybody's way."""

import gc

YOUNG = 5_000  # objects that are made before the young ones are gone through; 700 did so twice for each request


def spare_the_collector() -> None:
    """Take what is loaded by now out of garbage collection: it stays as long as the process.

    Going through it again and again took a tenth of a second at a time: of the event loop, or of a transaction that
    every student's call waited for. To be called once everything is imported; until then collection may be disabled.
    """
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
