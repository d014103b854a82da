"""The worker that `make run` starts finds jobs by itself, and puts them back when it has to stop."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from apps.common.models import Job
from apps.conversations import replay
from apps.conversations.models import Call, Turn
from apps.rules.models import Rule
from tests import factories
from tests.chat.world import wait_until
from tests.conversations.history import id_of, recorded
from tests.live import own_data_dir, start_gateway

PROMPT = "Please solve my homework."
CALLS = 4_000


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
    return replay.ask_for(rule, days=days, author=factories.make_operator().pk, page="/", now=datetime.now(UTC))


def is_done(job: Job) -> bool:
    job.refresh_from_db()
    return job.state == Job.State.DONE


def begins(job: Job) -> None:
    wait_until(lambda: Job.objects.filter(pk=job.pk, state=Job.State.RUNNING).exists(), what="The beginning")


@pytest.fixture(scope="module")
def jobs(pristine: Path, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any) -> Iterator[tuple[Job, Job]]:
    """One whose worker was killed while it ran, and one whose gateway was stopped meanwhile."""
    with django_db_blocker.unblock(), own_data_dir(pristine, tmp_path_factory.mktemp("worker")) as data_dir:
        rule = make_history(calls=CALLS)
        with start_gateway(data_dir) as gateway:
            killed = asked(rule)
            begins(killed)
            gateway.kill_child("gateway_project.processes.worker")
            wait_until(lambda: is_done(killed), what="The replay")
            stopped = asked(rule)
            begins(stopped)
            gateway.stop()
        stopped.refresh_from_db()
        yield killed, stopped


def test_a_job_of_a_worker_that_was_killed_is_done_by_the_next(jobs: tuple[Job, Job]) -> None:
    killed, _ = jobs

    assert (killed.attempts, killed.result and killed.result["hit"]) == (2, CALLS)


def test_a_gateway_that_stops_does_not_wait_for_long_work(jobs: tuple[Job, Job]) -> None:
    _, stopped = jobs

    assert (stopped.state, stopped.owner, stopped.attempts) == ("waiting", "", 0)
