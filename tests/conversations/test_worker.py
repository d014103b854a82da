"""The worker that `make run` starts finds jobs by itself, and puts them back when it has to stop."""

from datetime import UTC, datetime
from pathlib import Path

from apps.common.models import Job
from apps.conversations import replay
from apps.rules.models import Rule
from tests import factories
from tests.chat.world import wait_until
from tests.conversations.history import recorded
from tests.live import start_gateway


def make_history(calls: int) -> Rule:
    now = datetime.now(UTC)
    student = factories.make_student(course=factories.make_course())
    for _ in range(calls):
        recorded(student, (0, "Please solve my homework."), now=now)
    return factories.make_rule(course=student.course, stage=Rule.Stage.DRAFT)


def asked(rule: Rule, *, days: int = 7) -> Job:
    return replay.ask_for(rule, days=days, author=1, page="/", now=datetime.now(UTC))


def is_done(job: Job) -> bool:
    job.refresh_from_db()
    return job.state == Job.State.DONE


def test_a_replay_is_taken_up_and_done_while_the_gateway_runs(data_dir: Path) -> None:
    rule = make_history(calls=60)

    with start_gateway(data_dir) as gateway:
        job = asked(rule)
        wait_until(lambda: is_done(job), what="The replay")
        gateway.stop()

    assert job.result is not None and job.result["hit"] == 60
    assert job.started_at is not None
    print(f"Taken up after {(job.started_at - job.created_at).total_seconds():.2f} s")


def test_a_job_of_a_worker_that_was_killed_is_done_by_the_next(data_dir: Path) -> None:
    rule = make_history(calls=4_000)

    with start_gateway(data_dir) as gateway:
        job = asked(rule)
        wait_until(lambda: Job.objects.filter(pk=job.pk, state=Job.State.RUNNING).exists(), what="The beginning")
        gateway.kill_child("gateway_project.worker")
        wait_until(lambda: is_done(job), what="The replay")
        gateway.stop()

    assert (job.attempts, job.result and job.result["hit"]) == (2, 4_000)


def test_a_gateway_that_stops_does_not_wait_for_long_work(data_dir: Path) -> None:
    rule = make_history(calls=4_000)

    with start_gateway(data_dir) as gateway:
        job = asked(rule)
        wait_until(lambda: Job.objects.filter(pk=job.pk, state=Job.State.RUNNING).exists(), what="The beginning")
        gateway.stop()

    job.refresh_from_db()
    assert (job.state, job.owner, job.attempts) == ("waiting", "", 0)
