"""The worker that `make run` starts finds jobs by itself, and puts them back when it has to stop."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from apps.common.models import Job
from apps.conversations import replay
from apps.conversations.models import Call, Turn
from apps.rules.models import Rule
from tests import factories
from tests.chat.world import wait_until
from tests.conversations.history import id_of, recorded
from tests.live import start_gateway

PROMPT = "Please solve my homework."


def make_history(calls: int) -> Rule:
    now = datetime.now(UTC)
    student = factories.make_student(course=factories.make_course())
    first = recorded(student, (0, PROMPT), now=now)
    rows = [Call(**{**values_of(first), "id": id_of(first.started_at)}) for _ in range(calls - 1)]
    Call.objects.bulk_create(rows)
    Turn.objects.bulk_create(Turn(call=row, seq=0, message=0, role="user", text=PROMPT) for row in rows)
    return factories.make_rule(course=student.course, stage=Rule.Stage.DRAFT)


def values_of(call: Call) -> dict[str, Any]:
    return {field.attname: getattr(call, field.attname) for field in Call._meta.concrete_fields}


def asked(rule: Rule, *, days: int = 7) -> Job:
    return replay.ask_for(rule, days=days, author=1, page="/", now=datetime.now(UTC))


def is_done(job: Job) -> bool:
    job.refresh_from_db()
    return job.state == Job.State.DONE


def begins(job: Job) -> None:
    wait_until(lambda: Job.objects.filter(pk=job.pk, state=Job.State.RUNNING).exists(), what="The beginning")


def test_a_job_of_a_worker_that_was_killed_is_done_by_the_next(data_dir: Path) -> None:
    rule = make_history(calls=4_000)

    with start_gateway(data_dir) as gateway:
        job = asked(rule)
        begins(job)
        gateway.kill_child("gateway_project.processes.worker")
        wait_until(lambda: is_done(job), what="The replay")
        gateway.stop()

    assert (job.attempts, job.result and job.result["hit"]) == (2, 4_000)


def test_a_gateway_that_stops_does_not_wait_for_long_work(data_dir: Path) -> None:
    rule = make_history(calls=4_000)

    with start_gateway(data_dir) as gateway:
        job = asked(rule)
        begins(job)
        gateway.stop()

    job.refresh_from_db()
    assert (job.state, job.owner, job.attempts) == ("waiting", "", 0)
