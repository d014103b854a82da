"""The embedded Celery process: one worker, its broker in memory and its beat in a thread.

Messages never leave this process. They need not: every task looks for its work in files and tables, and beat calls it
again and again. With CELERY_BROKER_URL set, run ordinary `celery worker` and `celery beat` instead.
"""

import logging
import os
import select
import signal
import sys
import threading
import time
import warnings

logger = logging.getLogger(__name__)

THREADS = 6  # jobs use two at most, health checks two, draining and notifications one each
NICENESS = 10  # students' calls come first


def main() -> None:
    """Run as `python -m gateway_project.processes.worker PIPE`. Stops on SIGTERM or SIGINT, or when the pipe closes."""
    import django

    # `manage.py run` has run the checks that matter. Celery would run all, and load the whole web side for them.
    os.environ.setdefault("CELERY_SKIP_CHECKS", "true")
    django.setup()
    from celery.beat import EmbeddedService
    from celery.platforms import SecurityWarning
    from celery.worker.state import active_requests

    from apps.common import jobs, priority
    from gateway_project.celery import app
    from gateway_project.databases import disconnect

    # Celery warns against running as root because of pickled messages. Ours are JSON and never leave this process.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    priority.lower(NICENESS)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    worker = app.Worker(
        pool="threads",
        concurrency=THREADS,
        loglevel="WARNING",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
    )
    threading.Thread(target=worker.start, name="celery-worker", daemon=True).start()
    beat = EmbeddedService(app, thread=True, scheduler_cls="celery.beat:Scheduler")  # keeps no schedule file
    beat.start()
    _wait(stop, parent=int(sys.argv[1]))
    beat.service.stop()
    jobs.stopping.set()
    while active_requests:  # running tasks finish, and no new ones are sent
        time.sleep(0.01)
    disconnect()
    logging.shutdown()
    os._exit(0)  # all work is done, and Celery's own shutdown takes seconds


def _wait(stop: threading.Event, *, parent: int) -> None:
    """Wait for a signal, or for the supervisor's end of the pipe to close."""
    while not stop.is_set():
        closed, _, _ = select.select([parent], [], [], 0.2)
        if closed:
            return


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_project.settings")
    main()
