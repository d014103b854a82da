"""Whose a path is, which is asked of every request before anything is known of its sender."""

import time

import pytest

from gateway_project.edge.base_url import is_for_students, is_wrong

LONG = {
    "models without end": "/models" * 1_000,
    "models, and lines": "/models/" * 1_000 + "\n\n",
    "slashes": "/" * 8_000 + "\n",
    "endpoints": "/usage" * 1_300 + "/",
}


@pytest.mark.parametrize("path", LONG.values(), ids=LONG.keys())
def test_the_longest_path_takes_no_time(path: str) -> None:
    started = time.thread_time()

    for _ in range(20):
        is_for_students(path)
        is_wrong(path)

    assert time.thread_time() - started < 1.0
