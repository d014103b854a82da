"""Infrastructure tables, and the base of models whose rows are copied into snapshots."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import models, transaction
from django.db.models import F, Q

from apps.common.translation import lazy as _


class Revision(models.Model):
    """Counts the changes to the rows of a topic. Snapshots compare it to notice that they are out of date."""

    topic = models.CharField(max_length=40, primary_key=True)
    number = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.topic} {self.number}"

    @classmethod
    def bump(cls, topic: str) -> None:
        """Record a change of the topic. Call it inside the transaction that makes the change."""
        if not cls.objects.filter(topic=topic).update(number=models.F("number") + 1):
            _, created = cls.objects.get_or_create(topic=topic, defaults={"number": 1})
            if not created:
                cls.objects.filter(topic=topic).update(number=models.F("number") + 1)


class RevisedQuerySet(models.QuerySet[Any]):
    """Bulk writes bump the revision, like single ones."""

    def _announced(self, write: Any) -> Any:
        with transaction.atomic(using=self.db):
            result = write()
            Revision.bump(self.model.topic)
        return result

    def update(self, **values: Any) -> int:
        updated: int = self._announced(lambda: super(RevisedQuerySet, self).update(**values))
        return updated

    def delete(self) -> tuple[int, dict[str, int]]:
        deleted: tuple[int, dict[str, int]] = self._announced(lambda: super(RevisedQuerySet, self).delete())
        return deleted

    def bulk_create(self, objs: Iterable[Any], *args: Any, **options: Any) -> list[Any]:
        created: list[Any] = self._announced(lambda: super(RevisedQuerySet, self).bulk_create(objs, *args, **options))
        return created


class RevisedModel(models.Model):
    """A row that some snapshot copies: writing it bumps the revision of its `topic` in the same transaction.

    Subclasses must give `objects` a RevisedQuerySet, so that bulk writes do the same.
    """

    topic: ClassVar[str]

    class Meta:
        abstract = True

    def save(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            super().save(*args, **options)
            Revision.bump(self.topic)

    def delete(self, *args: Any, **options: Any) -> tuple[int, dict[str, int]]:
        with transaction.atomic():
            deleted = super().delete(*args, **options)
            Revision.bump(self.topic)
        return deleted


class JobQuerySet(models.QuerySet["Job"]):
    """Changes of state are conditional updates: of several competing processes one makes it, on either database."""

    def visible(self, *, author: int, courses: Collection[int]) -> "JobQuerySet":
        """The jobs of these courses, and this person's own jobs that belong to no course."""
        return self.filter(Q(course__in=courses) | Q(course=None, author=author))

    def unfinished(self) -> "JobQuerySet":
        return self.filter(state__in=(Job.State.WAITING, Job.State.RUNNING))

    def claim(self, *, kinds: Collection[str], owner: str, now: datetime) -> "Job | None":
        """Take the next waiting job, for this owner alone. Authors without a running job come first."""
        busy = set(self.filter(state=Job.State.RUNNING).values_list("author", flat=True))
        waiting = self.filter(state=Job.State.WAITING, kind__in=kinds).order_by("pk").values_list("pk", "author")
        for pk, _author in sorted(waiting[:100], key=lambda row: (row[1] in busy, row[0])):
            taken = {"state": Job.State.RUNNING, "owner": owner, "started_at": now, "attempts": F("attempts") + 1}
            if self.filter(pk=pk, state=Job.State.WAITING).update(done=0, total=0, **taken):
                return self.get(pk=pk)
        return None

    def take_back(self, owners: Collection[str], *, now: datetime) -> int:
        """Put the jobs of dead owners back in the queue. Cancelled ones end; those at MOST_ATTEMPTS fail."""
        left = self.filter(state=Job.State.RUNNING, owner__in=owners)
        cancelled = left.filter(cancel_requested=True).update(
            state=Job.State.CANCELLED, owner="", finished_at=now, error=""
        )
        failed = left.filter(attempts__gte=Job.MOST_ATTEMPTS).update(
            state=Job.State.FAILED,
            owner="",
            finished_at=now,
            error=f"Its worker died {Job.MOST_ATTEMPTS} times while it ran. The operator finds the reason in the log.",
        )
        return cancelled + failed + left.update(state=Job.State.WAITING, owner="", started_at=None)

    def forget_old(self, *, now: datetime) -> int:
        """Delete jobs that finished a month ago."""
        return self.filter(finished_at__lt=now - Job.KEPT).delete()[0]


class Job(models.Model):
    """Long work that a worker does. The row is the whole job: a message to a worker only wakes it.

    `params` and the result hold ids and numbers, never text, which must stay where people find and delete it. Author
    and course are ids too, because foreign keys point down. Pages find their jobs by `subject`.
    """

    MOST_ATTEMPTS: ClassVar[int] = 3
    KEPT: ClassVar[timedelta] = timedelta(days=30)

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=80, blank=True)
    title = models.CharField(max_length=200, help_text=_("For people: what is done."))
    page = models.CharField(max_length=200, blank=True, help_text=_("Address of the page that shows the result."))
    params = models.JSONField(default=dict)
    author = models.BigIntegerField(null=True)
    course = models.BigIntegerField(null=True)
    state = models.CharField(max_length=9, choices=State.choices, default=State.WAITING)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    result = models.JSONField(null=True)
    error = models.TextField(blank=True)
    owner = models.CharField(max_length=32, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    cancel_requested = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        indexes = (
            models.Index(fields=("state", "id"), name="jobs_by_state"),
            models.Index(fields=("kind", "subject", "id"), name="jobs_of_a_subject"),
        )
        constraints = (
            models.CheckConstraint(
                condition=(Q(state="running") & ~Q(owner="")) | (~Q(state="running") & Q(owner="")),
                name="a_job_has_an_owner_while_it_runs",
            ),
        )

    def __str__(self) -> str:
        return self.title

    # Mutators

    def progress(self, *, done: int, total: int) -> bool:
        """Save the owner's progress. False if it must stop: the job was cancelled, or has another owner."""
        mine = Job.objects.filter(pk=self.pk, state=Job.State.RUNNING, owner=self.owner, cancel_requested=False)
        return bool(mine.update(done=done, total=total))

    def finish(self, state: "Job.State", *, now: datetime, result: Any = None, error: str = "") -> bool:
        """Record how the job ended. False if another owner has it by now."""
        mine = Job.objects.filter(pk=self.pk, state=Job.State.RUNNING, owner=self.owner)
        return bool(mine.update(state=state, owner="", finished_at=now, result=result, error=error[:2000]))

    def put_back(self) -> bool:
        """Put the job back in the queue because its owner stops. That does not count as an attempt."""
        mine = Job.objects.filter(pk=self.pk, state=Job.State.RUNNING, owner=self.owner)
        again = {"state": Job.State.WAITING, "owner": "", "started_at": None, "attempts": F("attempts") - 1}
        return bool(mine.update(**again))

    def cancel(self, *, now: datetime) -> bool:
        """End a waiting job, or tell the owner of a running one to stop. False if it has ended already."""
        here = Job.objects.filter(pk=self.pk)
        waiting, running = here.filter(state=Job.State.WAITING), here.filter(state=Job.State.RUNNING)
        ended = waiting.update(state=Job.State.CANCELLED, cancel_requested=True, finished_at=now)
        return bool(ended or running.update(cancel_requested=True))

    # Properties

    @property
    def is_finished(self) -> bool:
        return self.state not in (Job.State.WAITING, Job.State.RUNNING)


class CacheEntry(models.Model):
    """The table of Django's database cache, in which sign-in counts attempts. Nothing else reads or writes it."""

    cache_key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)
