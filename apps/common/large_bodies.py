"""Threads of their own for work on large bodies of requests: the event loop goes on, and so do all other threads.

What keeps the GIL is bounded elsewhere (`json_bounds`): a thread is no help against it.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

THREADS = 2  # more would only take the GIL from one another
_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="bodies")


async def in_thread(work: Callable[[], T]) -> T:
    """The result of the work. If nobody waits for it any more, it is done all the same, and lost."""
    return await asyncio.get_running_loop().run_in_executor(_threads, work)
