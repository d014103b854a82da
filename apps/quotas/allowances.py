"""Who may use more, or less, than a course gives everybody: allowances of roles, boosts, and overrides.

Boosts and overrides are decisions: they are made and ended, never edited, and each leaves a line in the ledger. What
they amount to at an instant is decided in `limits.py`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models import F, Q

from apps.accounts.models import Course, Membership, Role, User
from apps.common.models import RevisedModel, RevisedQuerySet
from apps.quotas.columns import TOPIC, limit
from apps.quotas.ledger import booking
from apps.quotas.ledger.booking import Owner

LONGEST_REASON = 1000
LEAST_FACTOR, MOST_FACTOR = Decimal(1), Decimal(100)
EARLIEST, LATEST = 2000, 2100  # years
AS_STUDENTS = "Empty: as for students."


class OfCourseQuerySet(RevisedQuerySet):
    def for_staff(self, user: Any) -> "OfCourseQuerySet":
        return self.filter(course__in=Course.objects.for_staff(user))


class RoleAllowance(RevisedModel):
    """What members of a role may use, each. What it leaves empty, and roles without one, are as for students."""

    topic: ClassVar[str] = TOPIC
    ROLES: ClassVar[list[tuple[str, str]]] = [choice for choice in Role.choices if choice[0] != Role.STUDENT]

    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="role_allowances")
    role = models.CharField(
        max_length=10, choices=ROLES, error_messages={"invalid_choice": "must be one of: assistant, instructor."}
    )
    weekly_tokens = models.BigIntegerField(
        "each, per week",
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=f"Weighted tokens a week for each member of this role. {AS_STUDENTS}",
    )
    requests_per_minute = limit("each, a minute", f"Requests of each in any 60 seconds. {AS_STUDENTS}")
    concurrent_requests = limit("each, at once", f"Requests of each that are being answered at once. {AS_STUDENTS}")
    tokens_per_minute = limit("each, tokens a minute", f"Weighted tokens of each in any 60 seconds. {AS_STUDENTS}")

    objects = OfCourseQuerySet.as_manager()

    class Meta:
        ordering = ("course", "role")
        constraints = (
            models.UniqueConstraint(fields=("course", "role"), name="one_allowance_per_role_and_course"),
            models.CheckConstraint(
                condition=Q(weekly_tokens=None) | Q(weekly_tokens__gte=0), name="role_allowance_is_not_negative"
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_role_display()}s in {self.course.slug}"


def check_year(instant: datetime | None, name: str) -> None:
    """At the ends of the calendar an instant of one time zone has no equal in others, and pages could not show it."""
    if instant is not None and not EARLIEST <= instant.year <= LATEST:
        raise ValidationError({name: f"choose a year from {EARLIEST} to {LATEST}."})


class DecisionQuerySet(RevisedQuerySet):
    def active(self, *, now: datetime) -> "DecisionQuerySet":
        """Those that count at `now`, or would if no newer or larger one did."""
        return self.filter(starts_at__lte=now).unfinished(now=now)

    def unfinished(self, *, now: datetime) -> "DecisionQuerySet":
        """Those that count at `now` or later."""
        return self.filter(Q(ended_at=None) | Q(ended_at__gt=now), Q(ends_at=None) | Q(ends_at__gt=now))


class Decision(RevisedModel):
    """What staff decided about a limit, from one instant to another. Made with `give`, ended with `end`."""

    topic: ClassVar[str] = TOPIC

    starts_at = models.DateTimeField("from")
    ends_at = models.DateTimeField("until", null=True, blank=True, help_text="Empty: until somebody ends it.")
    reason = models.TextField(
        max_length=LONGEST_REASON, help_text="Why: it stands in the ledger, and those whom it is for can read it."
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name="by",
    )
    created_at = models.DateTimeField("decided", editable=False)
    ended_at = models.DateTimeField("ended early", null=True, blank=True, editable=False)

    class Meta:
        abstract = True

    @property
    def owner(self) -> Owner:
        """Whose limit it is about."""
        raise NotImplementedError

    @property
    def told(self) -> str:
        """What it does, in the ledger's words."""
        raise NotImplementedError

    def clean(self) -> None:
        for name in ("starts_at", "ends_at"):
            check_year(getattr(self, name), name)
        if self.starts_at and self.ends_at and self.ends_at <= self.starts_at:
            raise ValidationError({"ends_at": "must be after the start."})

    def give(self, *, by: User | None, now: datetime) -> None:
        """Put a new decision into force, with its line in the ledger."""
        decide(new=[self], by=by, now=now)

    def end(self, *, by: User | None, now: datetime) -> bool:
        """End it early. False, and nothing changes, if it is over already."""
        return decide(ended=[self], by=by, now=now) == 1

    def _end(self, now: datetime) -> bool:
        rows: Any = type(self)._default_manager.filter(pk=self.pk)
        if not rows.unfinished(now=now).update(ended_at=now):
            return False
        self.ended_at = now
        return True

    def is_active(self, *, now: datetime) -> bool:
        return self.starts_at <= now and not self.is_over(now=now)

    def is_over(self, *, now: datetime) -> bool:
        return any(end is not None and end <= now for end in (self.ends_at, self.ended_at))


class BoostQuerySet(DecisionQuerySet):
    def for_staff(self, user: Any) -> "BoostQuerySet":
        return self.filter(course__in=Course.objects.for_staff(user))


class Boost(Decision):
    """Multiplies what each member of a course may use, until a deadline. Of several at a time the largest counts."""

    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="boosts")
    ends_at = models.DateTimeField("until")
    factor = models.DecimalField(
        max_digits=5,
        decimal_places=2,
        validators=[MinValueValidator(LEAST_FACTOR), MaxValueValidator(MOST_FACTOR)],
        help_text="By how much allowances are multiplied, from 1 to 100. Of boosts that overlap, the largest counts.",
    )
    multiplies_course = models.BooleanField(
        "the course too", default=False, help_text="Whether the allowance of the whole course is multiplied as well."
    )

    objects = BoostQuerySet.as_manager()

    class Meta:
        ordering = ("-starts_at", "-id")
        constraints = (
            models.CheckConstraint(
                condition=Q(factor__gte=LEAST_FACTOR, factor__lte=MOST_FACTOR), name="boost_is_from_1_to_100"
            ),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="boost_ends_after_it_starts"),
        )

    def __str__(self) -> str:
        return f"×{self.shown_factor} in {self.course.slug}"

    @property
    def shown_factor(self) -> str:
        return format(Decimal(self.factor).normalize(), "f")

    @property
    def owner(self) -> Owner:
        return self.course

    @property
    def told(self) -> str:
        whom = "students and course" if self.multiplies_course else "students"
        return f"Boost ×{self.shown_factor} of {whom} from {_shown(self.starts_at)} until {_shown(self.ends_at)}"


class OverrideQuerySet(DecisionQuerySet):
    def for_staff(self, user: Any) -> "OverrideQuerySet":
        return self.filter(membership__in=Membership.objects.for_staff(user))


class Override(Decision):
    """Replaces one student's allowance until it ends. Of several at a time the newest counts."""

    membership = models.ForeignKey(
        Membership, on_delete=models.CASCADE, related_name="overrides", verbose_name="student"
    )
    weekly_tokens = models.BigIntegerField(
        "per week",
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="Weighted tokens a week, instead of everybody's. Empty: no limit of one's own.",
    )

    objects = OverrideQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(weekly_tokens=None) | Q(weekly_tokens__gte=0), name="override_is_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gt=F("starts_at")), name="override_ends_after_it_starts"
            ),
        )

    def __str__(self) -> str:
        return f"Override of {self.membership}"

    @property
    def owner(self) -> Owner:
        return self.membership

    @property
    def told(self) -> str:
        tokens = "no limit" if self.weekly_tokens is None else f"{self.weekly_tokens:,} tokens a week"
        until = f" until {_shown(self.ends_at)}" if self.ends_at else ""
        return f"Override: {tokens} from {_shown(self.starts_at)}{until}"


def decide(*, new: Sequence[Decision] = (), ended: Sequence[Decision] = (), by: User | None, now: datetime) -> int:
    """Put new decisions into force and end others, all at once, each with its line in the ledger.

    How many that were: those that are over already stay as they are.
    """
    with transaction.atomic():
        over = [decision for decision in ended if decision._end(now)]
        for decision in new:
            decision.author, decision.created_at = by, now
            decision.save(force_insert=True)
        lines = [(decision.owner, f"Ended: {decision.told}") for decision in over]
        lines += [(decision.owner, f"{decision.told}: {decision.reason}") for decision in new]
        booking.explain(lines, by=by, now=now)
    return len(lines)


def _shown(instant: datetime) -> str:
    """An instant in UTC, which every reader of the ledger can turn into their own time."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
