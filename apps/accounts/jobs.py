"""Jobs in the admin: who may see and stop a job, and its progress."""

from dataclasses import dataclass
from datetime import timedelta

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext

from apps.accounts.models import User
from apps.accounts.permissions import Verb
from apps.accounts.scoping import courses_where, may
from apps.common.admin import is_operator
from apps.common.display import number
from apps.common.models import Job, JobQuerySet

STATE_KINDS: dict[str, str] = {
    "waiting": "",
    "running": "info",
    "done": "good",
    "failed": "bad",
    "cancelled": "warning",
}
PATIENCE = timedelta(seconds=15)  # workers poll every second


def seen_jobs(request: HttpRequest) -> JobQuerySet:
    """Jobs of this person's courses, and their own that belong to no course. Operators see all jobs."""
    if is_operator(request):
        return Job.objects.all()
    return Job.objects.visible(author=request.user.pk or 0, courses=courses_where(request, Verb.SEE, "Job"))


def may_cancel(request: HttpRequest, job: Job) -> bool:
    """True for the job's author, the instructors of its course, and operators. Assistants may stop only their own."""
    return job.author == request.user.pk or may(request, Verb.ACT, "Job", job.course)


@dataclass(frozen=True, slots=True)
class JobCard:
    """A job for the progress widget: `{% include "admin/job.html" %}` with this as `card`."""

    job: Job
    may_cancel: bool
    is_neglected: bool

    @classmethod
    def of(cls, request: HttpRequest, job: Job) -> "JobCard":
        waits = job.state == Job.State.WAITING and timezone.now() - job.created_at > PATIENCE
        return cls(job, not job.is_finished and may_cancel(request, job), waits)

    @property
    def kind(self) -> str:
        return STATE_KINDS[self.job.state]

    @property
    def percent(self) -> int | None:
        """None while the total is unknown."""
        if self.job.state == Job.State.DONE:
            return 100
        return min(100, 100 * self.job.done // self.job.total) if self.job.total else None

    @property
    def state(self) -> str:
        is_stopping = self.job.cancel_requested and not self.job.is_finished
        return gettext("stopping") if is_stopping else self.job.get_state_display()

    @property
    def words(self) -> str:
        if self.is_neglected:
            return gettext("No worker has taken it yet. If that stays so, ask the operator whether one is running.")
        return self.job.error or self._words()

    def _words(self) -> str:
        job = self.job
        far = gettext("{done} of {total}").format(done=number(job.done), total=number(job.total)) if job.total else ""
        took = gettext("{far}, in {took}") if far else gettext("In {took}")
        stopped = gettext("It was stopped after {far}.") if far else gettext("It was stopped before it began.")
        said: dict[str, str] = {
            Job.State.WAITING: gettext("It begins as soon as a worker is free."),
            Job.State.RUNNING: far or gettext("It has begun."),
            Job.State.DONE: took.format(far=far, took=self._took()),
            Job.State.CANCELLED: stopped.format(far=far),
        }
        return said.get(job.state, "")

    def _took(self) -> str:
        if self.job.started_at is None or self.job.finished_at is None:
            return gettext("no time")
        seconds = (self.job.finished_at - self.job.started_at).total_seconds()
        return gettext("{seconds} seconds").format(seconds=f"{seconds:.1f}")


def people(jobs: list[Job]) -> dict[int, User]:
    """The authors of these jobs by id, as far as they still exist."""
    found: dict[int, User] = User.objects.in_bulk([job.author for job in jobs if job.author])
    return found
