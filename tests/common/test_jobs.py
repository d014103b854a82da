"""Jobs: asked for, taken by one worker, told to stop, and taken up again when their worker dies."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, connections

from apps.common import jobs
from apps.common.errors import GatewayError
from apps.common.jobs import KINDS, Cancelled, JobFailed, Report, TooManyJobs, ask, run_waiting
from apps.common.models import Job
from apps.common.owners import MISSING_SECONDS, Owner, is_alive
from gateway_project.env import BASE_DIR
from tests.chat.world import wait_until
from tests.factories import unique

NOW = datetime(2026, 10, 5, 12, 0, tzinfo=UTC)


@pytest.fixture
def kind() -> Iterator[str]:
    """A kind of this test's own, so that nobody else's jobs are done here."""
    name = unique("kind")
    known = dict(KINDS)
    KINDS.clear()
    yield name
    KINDS.clear()
    KINDS.update(known)


def asked(kind: str, **overrides: Any) -> Job:
    values: dict[str, Any] = {"kind": kind, "title": "A long walk", "params": {"rule": 7}, "author": 1, "now": NOW}
    return ask(**{**values, **overrides})


def known(kind: str, work: Callable[[Job, Report], Any]) -> None:
    jobs.job(kind)(work)


def again(job: Job) -> Job:
    job.refresh_from_db()
    return job


# From beginning to end


def test_a_job_is_done_and_keeps_its_result(db: None, kind: str, tmp_path: Path) -> None:
    known(kind, lambda job, report: {"rule": job.params["rule"]})
    job = asked(kind)

    assert run_waiting(owners=tmp_path) == 1

    job.refresh_from_db()
    assert (job.state, job.result, job.owner, job.attempts) == ("done", {"rule": 7}, "", 1)
    assert job.started_at is not None and job.finished_at is not None


def test_progress_is_written_down_while_it_lasts(db: None, kind: str, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    def work(job: Job, report: Report) -> None:
        report(10, 10)
        seen.append((again(job).done, job.total))

    known(kind, work)
    asked(kind)

    run_waiting(owners=tmp_path)

    assert seen == [(10, 10)]


def test_progress_is_not_written_more_than_twice_a_second(
    db: None, kind: str, tmp_path: Path, django_assert_max_num_queries: Any
) -> None:
    def work(job: Job, report: Report) -> None:
        with django_assert_max_num_queries(2):
            started = time.monotonic()
            for number in range(1000):
                report(number, 10_000)
            assert time.monotonic() - started < 0.9, "too slow a machine to tell"

    known(kind, work)
    job = asked(kind)

    run_waiting(owners=tmp_path)

    assert again(job).state == "done", job.error


def test_jobs_are_done_in_turn(db: None, kind: str, tmp_path: Path) -> None:
    done: list[int] = []
    known(kind, lambda job, report: done.append(job.pk))
    first, second = asked(kind, subject="a"), asked(kind, subject="b")

    assert run_waiting(owners=tmp_path) == 2

    assert done == [first.pk, second.pk]


def test_who_has_nothing_running_comes_first(db: None, kind: str) -> None:
    asked(kind, author=1, subject="a")
    asked(kind, author=1, subject="b")
    theirs = asked(kind, author=2, subject="c")
    Job.objects.claim(kinds=[kind], owner="x", now=NOW)

    taken = Job.objects.claim(kinds=[kind], owner="y", now=NOW)

    assert taken == theirs


def test_a_kind_that_this_process_does_not_know_is_left_to_others(db: None, kind: str, tmp_path: Path) -> None:
    job = asked(kind)

    assert run_waiting(owners=tmp_path) == 0

    assert again(job).state == "waiting"


# Asking


def test_the_same_is_not_done_twice_at_once(db: None, kind: str) -> None:
    first = asked(kind)

    assert asked(kind) == first
    assert asked(kind, params={"rule": 8}) != first


def test_what_has_ended_can_be_asked_for_again(db: None, kind: str, tmp_path: Path) -> None:
    known(kind, lambda job, report: None)
    first = asked(kind)
    run_waiting(owners=tmp_path)

    assert asked(kind) != first


def test_nobody_has_more_than_a_few_jobs_waiting(db: None, kind: str) -> None:
    for number in range(jobs.MOST_WAITING):
        asked(kind, subject=str(number))

    with pytest.raises(TooManyJobs):
        asked(kind, subject="one more")
    assert asked(kind, subject="one more", author=2).pk


# Failing


def fails(error: Exception) -> Callable[[Job, Report], Any]:
    def work(job: Job, report: Report) -> None:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (JobFailed("The rule has been deleted."), "The rule has been deleted."),
        (GatewayError("nothing", "There is nothing."), "There is nothing."),
    ],
)
def test_why_it_failed_is_said_in_a_sentence(
    error: Exception, sentence: str, db: None, kind: str, tmp_path: Path
) -> None:
    known(kind, fails(error))
    job = asked(kind)

    assert run_waiting(owners=tmp_path) == 1

    assert (again(job).state, job.error) == ("failed", sentence)


def test_a_mistake_of_ours_is_logged_and_not_told(
    db: None, kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    known(kind, fails(ValueError("the student's secret")))
    job = asked(kind)

    run_waiting(owners=tmp_path)

    assert again(job).state == "failed"
    assert "ValueError" in job.error and "secret" not in job.error
    assert "Traceback" in caplog.text


# Stopping


def test_a_job_that_waits_is_cancelled_at_once(db: None, kind: str, tmp_path: Path) -> None:
    known(kind, lambda job, report: None)
    job = asked(kind)

    assert job.cancel(now=NOW)

    assert (again(job).state, job.finished_at) == ("cancelled", NOW)
    assert run_waiting(owners=tmp_path) == 0


def test_a_job_that_runs_is_told_and_stops(db: None, kind: str, tmp_path: Path) -> None:
    def work(job: Job, report: Report) -> None:
        Job.objects.get(pk=job.pk).cancel(now=NOW)
        report(3, 3)

    known(kind, work)
    job = asked(kind)

    assert run_waiting(owners=tmp_path) == 1

    assert (again(job).state, job.error, job.owner) == ("cancelled", "", "")


def test_what_has_ended_is_not_cancelled(db: None, kind: str, tmp_path: Path) -> None:
    known(kind, lambda job, report: None)
    job = asked(kind)
    run_waiting(owners=tmp_path)

    assert not job.cancel(now=NOW)

    assert again(job).state == "done"


def test_a_process_that_ends_puts_its_job_back(db: None, kind: str, tmp_path: Path) -> None:
    def work(job: Job, report: Report) -> None:
        jobs.stopping.set()
        report(1, 100)

    known(kind, work)
    job = asked(kind)

    try:
        assert run_waiting(owners=tmp_path) == 0
    finally:
        jobs.stopping.clear()

    assert (again(job).state, job.owner, job.attempts) == ("waiting", "", 0)


# Several workers


def test_of_four_workers_one_gets_each_job(committed_db: None, kind: str) -> None:
    mine = {asked(kind, author=1, subject=str(number)).pk for number in range(jobs.MOST_WAITING)}
    mine |= {asked(kind, author=2, subject=str(number)).pk for number in range(jobs.MOST_WAITING)}

    owners = [Owner(settings.OWNER_DIR) for _ in range(4)]  # a gateway beside the tests takes back what the dead had

    def work(owner: Owner) -> list[int]:
        taken = []
        try:
            while job := Job.objects.claim(kinds=[kind], owner=owner.id, now=NOW):
                taken.append(job.pk)
        finally:
            connections.close_all()
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [pk for pks in pool.map(work, owners) for pk in pks]

    for owner in owners:
        owner.close()
    assert sorted(taken) == sorted(mine)
    Job.objects.filter(pk__in=mine).delete()


# In a database of the test's own, as below.
def test_a_machine_does_only_so_many_at_once(data_dir: Path, kind: str, tmp_path: Path) -> None:
    begun, may_end = threading.Semaphore(0), threading.Event()

    def work(job: Job, report: Report) -> None:
        begun.release()
        assert may_end.wait(60)

    known(kind, work)
    made = [asked(kind, subject=str(number)) for number in range(4)]

    def worker(_: int) -> int:
        try:
            return run_waiting(owners=tmp_path)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(jobs.AT_ONCE) as pool:
        counts = pool.map(worker, range(jobs.AT_ONCE))
        for _ in range(jobs.AT_ONCE):
            assert begun.acquire(timeout=60)
        idle = run_waiting(owners=tmp_path)
        running = Job.objects.filter(kind=kind, state="running").count()
        may_end.set()
        ended = sum(counts)

    assert (idle, running, ended) == (0, jobs.AT_ONCE, 4)
    Job.objects.filter(pk__in=[job.pk for job in made]).delete()


# Workers that die. In a database of the test's own: a gateway beside it does not know these owners, and takes back at
# once what they have.

WORKER = """
import sys
from pathlib import Path
import django
django.setup()
from django.db import connection
connection.settings_dict["NAME"] = sys.argv[3]
from apps.common import jobs

@jobs.job(sys.argv[2])
def work(job, report):
    print(job.owner, flush=True)
    sys.stdin.read()

jobs.run_waiting(owners=Path(sys.argv[1]))
"""


def dying_worker(owners: Path, kind: str) -> str:
    """A process takes the job and is killed in the middle of it; the owner's id that it had."""
    name = str(connection.settings_dict["NAME"])
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, str(owners), kind, name],
        cwd=BASE_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        owner = process.stdout.readline().strip()
        assert owner and is_alive(owners, owner)
        process.kill()
    return owner


def test_a_job_of_a_worker_that_was_killed_is_taken_up_again(data_dir: Path, kind: str, tmp_path: Path) -> None:
    job = asked(kind)
    owner = dying_worker(tmp_path, kind)
    assert (again(job).state, job.owner) == ("running", owner)
    known(kind, lambda job, report: "done by another")

    wait_until(lambda: run_waiting(owners=tmp_path) == 1, seconds=MISSING_SECONDS + 30)

    assert (again(job).state, job.result, job.attempts) == ("done", "done by another", 2)
    assert [path.name for path in tmp_path.glob("*.lock")] == []
    job.delete()


def left_behind(kind: str, **overrides: Any) -> Job:
    """A job whose owner nobody has ever seen."""
    values: dict[str, Any] = {"owner": "nobody", "attempts": 1, "started_at": NOW, "state": "running"}
    return Job.objects.create(kind=kind, title="Left", author=1, created_at=NOW, **{**values, **overrides})


def test_what_has_seen_its_workers_die_again_and_again_fails(db: None, kind: str) -> None:
    job = left_behind(kind, attempts=Job.MOST_ATTEMPTS)

    assert Job.objects.take_back(["nobody"], now=NOW) == 1

    assert (again(job).state, job.owner, job.finished_at) == ("failed", "", NOW)
    assert "died 3 times" in job.error


def test_what_was_to_be_cancelled_does_not_begin_again(db: None, kind: str) -> None:
    job = left_behind(kind, cancel_requested=True)

    Job.objects.take_back(["nobody"], now=NOW)

    assert again(job).state == "cancelled"


def test_a_worker_that_was_taken_for_dead_changes_nothing_any_more(db: None, kind: str, tmp_path: Path) -> None:
    def work(job: Job, report: Report) -> str:
        Job.objects.filter(pk=job.pk).update(owner="another", done=5)
        report(1, 1)
        return "too late"

    known(kind, work)
    job = asked(kind)

    assert run_waiting(owners=tmp_path) == 0

    assert (again(job).state, job.owner, job.done, job.result) == ("running", "another", 5, None)


def test_a_result_that_comes_too_late_is_dropped(db: None, kind: str) -> None:
    job = left_behind(kind)
    Job.objects.filter(pk=job.pk).update(owner="another")

    assert not job.finish(Job.State.DONE, now=NOW, result="too late")
    assert not job.put_back()

    assert (again(job).state, job.owner) == ("running", "another")


# Afterwards


def test_what_ended_a_month_ago_is_removed(db: None, kind: str) -> None:
    old = left_behind(kind, state="done", owner="", finished_at=NOW - Job.KEPT - timedelta(seconds=1))
    recent = left_behind(kind, state="failed", owner="", finished_at=NOW - Job.KEPT + timedelta(seconds=1))
    waiting = asked(kind)

    assert Job.objects.forget_old(now=NOW) == 1

    assert set(Job.objects.filter(kind=kind)) == {recent, waiting}
    assert not Job.objects.filter(pk=old.pk).exists()


# The nudge


def test_a_broker_that_is_away_is_no_trouble(
    db: None, kind: str, settings: Any, caplog: pytest.LogCaptureFixture, django_capture_on_commit_callbacks: Any
) -> None:
    settings.CELERY_BROKER_URL = "amqp://127.0.0.1:9//"
    from gateway_project.celery import app

    usual = app.conf.broker_url, app.conf.broker_transport_options
    app.conf.broker_url = settings.CELERY_BROKER_URL
    app.conf.broker_transport_options = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
    try:
        with django_capture_on_commit_callbacks(execute=True) as sent:
            job = asked(kind)
        wait_until(lambda: "beat finds it" in caplog.text)
    finally:
        app.conf.broker_url, app.conf.broker_transport_options = usual

    assert len(sent) == 1
    assert again(job).state == "waiting"


def test_a_job_that_is_cancelled_is_not_the_same_as_a_new_one(db: None, kind: str, tmp_path: Path) -> None:
    first = asked(kind)
    Job.objects.filter(pk=first.pk).update(cancel_requested=True)

    assert asked(kind) != first


def test_a_job_may_let_stop_signs_pass(db: None, kind: str, tmp_path: Path) -> None:
    """They are no errors of the job: what catches everything must not swallow them, and sees them by their names."""
    known(kind, fails(Cancelled()))
    job = asked(kind)

    run_waiting(owners=tmp_path)

    assert again(job).state == "cancelled"
