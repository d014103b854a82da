"""A process of low priority keeps a thread of the first."""

import subprocess
import sys

from gateway_project.env import BASE_DIR

PROCESS = """
import os, threading
from apps.common import priority

niceness = lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
seen = []
priority.at_first_priority(lambda: seen.append(niceness()))
before = niceness()
priority.lower(3)
thread = threading.Thread(target=lambda: seen.append(niceness()))
thread.start()
thread.join()
priority.at_first_priority(lambda: seen.append(niceness()))
print([nice - before for nice in (*seen, niceness())])
try:
    priority.at_first_priority(lambda: 1 / 0)
except ZeroDivisionError as error:
    print(error)
"""


def test_all_but_what_others_wait_for_is_of_low_priority() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROCESS], cwd=BASE_DIR, capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.splitlines() == ["[0, 3, 0, 3]", "division by zero"]
