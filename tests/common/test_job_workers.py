"""Workers that stop jobs, share them, or die with them."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from django.conf import settings
from django.db import connection, connections

from apps.common import jobs
from apps.common.jobs import Report, run_waiting
from apps.common.models import Job
from apps.common.owners import MISSING_SECONDS, Owner, is_alive
from gateway_project.env import BASE_DIR
from tests.chat.world import wait_until
from tests.common.jobs import NOW, again, asked, known, left_behind

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
