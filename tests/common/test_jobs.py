"""Jobs: long work for staff, from the question to the result."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.common import jobs
from apps.common.errors import GatewayError
from apps.common.jobs import Cancelled, JobFailed, Report, TooManyJobs, run_waiting
from apps.common.models import Job
from tests.chat.world import wait_until
from tests.common.jobs import NOW, again, asked, known, left_behind

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
