"""The tables of boosts of a course, and of overrides of a student.

Decisions are made and ended, never edited: `decisions.py` does both, with a line in the ledger. `limits.py` computes
the limit that follows.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext

from apps.accounts.audit.audited import AuditedModel, AuditedQuerySet
from apps.accounts.models import Course, Membership
from apps.common.translation import lazy as _
from apps.quotas.limits import multiplied
from apps.quotas.models.ceilings import COURSE, MEMBER, UnderCeiling, Wanted
from apps.quotas.models.fields import LONGEST_REASON, TOPIC
from apps.quotas.models.policies import QuotaPolicy

LEAST_FACTOR, MOST_FACTOR = Decimal(1), Decimal(100)
EARLIEST, LATEST = 2000, 2100  # years


def check_year(instant: datetime | None, name: str) -> None:
    """Refuse years at the ends of the calendar, where an instant may not exist in another time zone."""
    if instant is not None and not EARLIEST <= instant.year <= LATEST:
        raise ValidationError(
            {name: gettext("choose a year from {earliest} to {latest}.").format(earliest=EARLIEST, latest=LATEST)}
        )


class DecisionQuerySet(AuditedQuerySet):
    def active(self, *, now: datetime) -> "DecisionQuerySet":
        """Decisions in force at `now`, including those that a newer or larger one supersedes."""
        return self.filter(starts_at__lte=now).unfinished(now=now)

    def unfinished(self, *, now: datetime) -> "DecisionQuerySet":
        """Decisions in force at `now` or later."""
        return self.filter(Q(ended_at=None) | Q(ended_at__gt=now), Q(ends_at=None) | Q(ends_at__gt=now))


class Decision(UnderCeiling, AuditedModel):
    """A decision of staff about a limit, for a period."""

    topic: ClassVar[str] = TOPIC
    audit_created: ClassVar[str] = "given"

    starts_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("until"), null=True, blank=True, help_text=_("Empty: until somebody ends it."))
    reason = models.TextField(
        max_length=LONGEST_REASON, help_text=_("Why: it stands in the ledger, and those whom it is for can read it.")
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("by"),
    )
    created_at = models.DateTimeField(_("decided"), editable=False)
    ended_at = models.DateTimeField(_("ended early"), null=True, blank=True, editable=False)

    class Meta:
        abstract = True

    @property
    def owner(self) -> Course | Membership:
        """The course or student whose limit it changes."""
        raise NotImplementedError

    @property
    def summary(self) -> str:
        """What it does, in the words of the ledger."""
        raise NotImplementedError

    def clean(self) -> None:
        for name in ("starts_at", "ends_at"):
            check_year(getattr(self, name), name)
        if self.starts_at and self.ends_at and self.ends_at <= self.starts_at:
            raise ValidationError({"ends_at": gettext("must be after the start.")})
        self.check_ceiling()

    @classmethod
    def audit_verb(cls, changed: frozenset[str], row: Any) -> str:
        return "ended" if "ended_at" in changed else "changed"

    def mark_ended(self, *, now: datetime) -> bool:
        """Store that it ended early. Returns False, and changes nothing, if it was over already."""
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
        return self.filter(course__in=Course.objects.for_staff(user, "Boost"))


class Boost(Decision):
    """Multiplies what each member of a course may use, for a period. If several overlap, the largest counts."""

    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="boosts")
    ends_at = models.DateTimeField(_("until"))
    factor = models.DecimalField(
        max_digits=5,
        decimal_places=2,
        validators=[MinValueValidator(LEAST_FACTOR), MaxValueValidator(MOST_FACTOR)],
        help_text=_(
            "By how much allowances are multiplied, from 1 to 100. Of boosts that overlap, the largest counts."
        ),
    )
    multiplies_course = models.BooleanField(
        _("the course too"),
        default=False,
        help_text=_("Whether the allowance of the whole course is multiplied as well."),
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

    def wanted(self) -> Iterable[Wanted]:
        policy = QuotaPolicy.objects.filter(course=self.course_id).first()
        if policy is None or self.factor is None:
            return
        yield "factor", MEMBER, multiplied(policy.student_weekly_tokens, self.factor)
        if self.multiplies_course and policy.weekly_tokens is not None:
            yield "factor", COURSE, multiplied(policy.weekly_tokens, self.factor)

    @property
    def shown_factor(self) -> str:
        return format(Decimal(self.factor).normalize(), "f")

    @property
    def owner(self) -> Course | Membership:
        return self.course

    @property
    def summary(self) -> str:
        whom = "students and course" if self.multiplies_course else "students"
        return f"Boost ×{self.shown_factor} of {whom} from {_shown(self.starts_at)} until {_shown(self.ends_at)}"


class OverrideQuerySet(DecisionQuerySet):
    def for_staff(self, user: Any) -> "OverrideQuerySet":
        return self.filter(membership__course__in=Course.objects.for_staff(user, "Override"))


class Override(Decision):
    """Replaces one student's allowance until it ends. If several overlap, the newest counts."""

    membership = models.ForeignKey(
        Membership, on_delete=models.CASCADE, related_name="overrides", verbose_name=_("student")
    )
    weekly_tokens = models.BigIntegerField(
        _("per week"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=_("Weighted tokens a week, instead of everybody's. Empty: no limit of one's own."),
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
    def bounded_course(self) -> int | None:
        return self.membership.course_id if self.membership_id is not None else None

    def wanted(self) -> Iterable[Wanted]:
        yield "weekly_tokens", MEMBER, self.weekly_tokens

    @property
    def owner(self) -> Course | Membership:
        return self.membership

    @property
    def summary(self) -> str:
        tokens = "no limit" if self.weekly_tokens is None else f"{self.weekly_tokens:,} tokens a week"
        until = f" until {_shown(self.ends_at)}" if self.ends_at else ""
        return f"Override: {tokens} from {_shown(self.starts_at)}{until}"


def _shown(instant: datetime) -> str:
    """An instant in UTC, since the ledger has readers in several time zones."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
