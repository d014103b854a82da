"""Background jobs: their kinds, how to request one, and how a worker runs it.

An app registers a function that takes the job and `report`, and returns the result to keep:

    @job("rule-replay")
    def replay(job: Job, report: Report) -> dict[str, Any]: ...

It calls `report(done, total)` at least once a second. A job may run more than once, wholly or in part: if its worker
dies, another one starts it again.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.db import OperationalError, connection, transaction

from apps.common.actors import Actor, acting, actor
from apps.common.cursor import cursor_on
from apps.common.errors import GatewayError, RateLimited
from apps.common.models import Job
from apps.common.nudges import nudge
from apps.common.outages import database_outage
from apps.common.owners import LifeSigns, Owner, forget, only_one
from apps.common.sessions import open_session

logger = logging.getLogger(__name__)

MOST_WAITING = 5  # of one author
AT_ONCE = 2  # per machine; workers have more threads than this, so that draining never waits for a job
REPORT_SECONDS = 0.5
REST = 0.5  # share of its working time that a job pauses, so that students' requests come first
LONGEST_REST = 0.25

stopping = threading.Event()  # set when this process stops: its jobs are put back and start again elsewhere


class JobFailed(Exception):
    """The work cannot be done. The message is a sentence for the person who requested it."""


class Cancelled(Exception):
    """Somebody cancelled the job."""


class Interrupted(Exception):
    """This process is stopping."""


class Lost(Exception):
    """Another worker has the job, because this one was taken for dead."""


class TooManyJobs(RateLimited):
    def __init__(self) -> None:
        super().__init__(
            f"{MOST_WAITING} of your jobs wait already. Cancel one, or let them come to their turn.", wait=10
        )


Report = Callable[[int, int], None]
Work = Callable[[Job, Report], Any]
KINDS: dict[str, Work] = {}


def job(kind: str) -> Callable[[Work], Work]:
    """Register the function that runs jobs of this kind."""

    def register(work: Work) -> Work:
        KINDS[kind] = work
        return work

    return register


# Requesting jobs


def ask(
    *,
    kind: str,
    title: str,
    params: dict[str, int | str],
    author: int,
    now: datetime,
    course: int | None = None,
    subject: str = "",
    page: str = "",
) -> Job:
    """Create a job, or return the unfinished one that is the same. Raises TooManyJobs."""
    with transaction.atomic():
        for same in Job.objects.unfinished().filter(kind=kind, subject=subject, course=course, cancel_requested=False):
            if same.params == params:
                return same
        if Job.objects.filter(author=author, state=Job.State.WAITING).count() >= MOST_WAITING:
            raise TooManyJobs
        nudge("apps.common.tasks.run_jobs")
        return Job.objects.create(
            kind=kind,
            title=title,
            params=params,
            author=author,
            created_at=now,
            course=course,
            subject=subject,
            page=page,
        )


# Running jobs


def run_waiting(*, owners: Path) -> int:
    """Run jobs until none waits, and return how many ended. Does nothing if all slots of this machine are taken."""
    with _place(owners) as free:
        if not free:
            return 0
        _take_back(owners)
        count = 0
        while not stopping.is_set() and _run_next(owners):
            count += 1
        return count


@contextmanager
def _place(owners: Path) -> Iterator[bool]:
    """Take one of the slots for jobs on this machine, if one is free."""
    for number in range(AT_ONCE):
        with only_one(owners / f"jobs-{number}.place") as alone:
            if alone:
                yield True
                return
    yield False


def _run_next(owners: Path) -> bool:
    """Run the next waiting job. False if there is none, or if it did not end here."""
    if not Job.objects.filter(state=Job.State.WAITING, kind__in=KINDS).exists():
        return False
    with _sign_of_life(owners) as owner:
        taken = Job.objects.claim(kinds=KINDS, owner=owner, now=_now())
        return taken is not None and _run(taken)


@contextmanager
def _sign_of_life(owners: Path) -> Iterator[str]:
    """An owner's id for one job. However this process ends, its locks are released, as those of calls' owners."""
    owner = Owner(owners)
    session = open_session(sign=owner.id) if connection.vendor == "postgresql" else None
    try:
        if session is not None:
            session.begin()
            session.commit()
        yield owner.id
    finally:
        if session is not None:
            session.close()
        owner.close()


def _run(taken: Job) -> bool:
    """Run the job and record how it ended. False if it did not end here."""
    try:
        with acting(Actor("person", taken.author) if taken.author else actor()):
            result = KINDS[taken.kind](taken, Reporter(taken))
        return taken.finish(Job.State.DONE, now=_now(), result=result)
    except Cancelled:
        return taken.finish(Job.State.CANCELLED, now=_now())
    except Interrupted:
        taken.put_back()
    except Lost:
        logger.warning("Job %s (%s) was taken up by another worker", taken.pk, taken.kind)
    except OperationalError:
        raise  # the database is down; afterwards this owner is gone, and another worker starts the job again
    except (JobFailed, GatewayError) as error:
        return taken.finish(Job.State.FAILED, now=_now(), error=str(error))
    except Exception as error:
        logger.exception("Job %s (%s) failed", taken.pk, taken.kind)
        said = f"It failed because of an error of ours ({type(error).__name__}). The operator finds it in the log."
        return taken.finish(Job.State.FAILED, now=_now(), error=said)
    return False


class Reporter:
    """Called by a job between its pieces: saves its progress, stops it if need be, and pauses it for others.

    Raises Cancelled, Interrupted or Lost, which a job must not catch.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._told = self._since = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() - self._told >= REPORT_SECONDS or done >= total:
            self._told = time.monotonic()
            self._write(done, total)
        worked = time.monotonic() - self._since
        if stopping.wait(min(worked * REST, LONGEST_REST)):
            raise Interrupted
        self._since = time.monotonic()

    def _write(self, done: int, total: int) -> None:
        if self._job.progress(done=done, total=total):
            return
        is_mine = Job.objects.filter(pk=self._job.pk, state=Job.State.RUNNING, owner=self._job.owner).exists()
        raise Cancelled if is_mine else Lost


# Jobs of dead workers

_signs: dict[Path, LifeSigns] = {}  # kept, since they remember how long an owner's lock has been missing


def _take_back(owners: Path) -> None:
    """Put the jobs of dead workers back in the queue."""
    running = set(Job.objects.filter(state=Job.State.RUNNING).values_list("owner", flat=True))
    if not running:
        return
    signs = _signs.setdefault(owners, LifeSigns(owners, mine=""))
    connection.ensure_connection()
    (dead,) = signs.dead(cursor_on(connection), [running])
    if dead and Job.objects.take_back(dead, now=_now()):
        logger.warning("Took back jobs of %d workers that died", len(dead))
    for owner in dead:
        forget(owners, owner)


def look(*, owners: Path) -> int:
    """What a worker does every second: `run_waiting`. A database outage is logged once, and not raised."""
    try:
        count = run_waiting(owners=owners)
    except OperationalError as error:
        database_outage.began(error)  # waiting jobs stay in the queue
        return 0
    database_outage.ended()
    return count


def _now() -> datetime:
    return datetime.now(UTC)
