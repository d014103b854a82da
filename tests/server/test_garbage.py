"""What is loaded at the start is not collected again and again, neither in web processes nor in workers."""

import gc
from collections.abc import Iterator

import pytest
from celery.signals import worker_process_init, worker_ready

from gateway_project import celery


@pytest.fixture
def thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.parametrize("signal", [worker_ready, worker_process_init])
def test_a_worker_that_is_ready_has_nothing_old_to_go_through(thresholds: None, signal: object) -> None:
    signal.send(sender=celery.app)  # type: ignore[attr-defined]

    assert gc.get_freeze_count() > 10_000
    assert len(gc.get_objects(generation=2)) < 1_000
