"""Letting other threads have the interpreter, in the midst of long work. Pure."""

import threading
import time

_MAIN = threading.main_thread()


def give_way() -> None:
    """Let other threads go on. On the main thread, where the event loop is, work is short and gives no way."""
    if threading.current_thread() is not _MAIN:
        time.sleep(1e-5)  # for no time at all, it would have the interpreter back before they wake
