"""How much: policies, and the ledger's tables.

The ledger's tables are written by `ledger.py` alone, in SQL; here they are described and read.
"""

from typing import Any, ClassVar

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q

from apps.accounts.models import Course, Membership, Weekday, validate_timezone
from apps.common.models import RevisedModel, RevisedQuerySet

TOPIC = "policies"
TOKENS_HELP = "Weighted tokens a week. Empty: no limit."
PER_MINUTE_HELP = (
    "Requests of {} in any 60 seconds; those that are too fast are told when to come again. Empty: no limit."
)
AT_ONCE_HELP = "Requests of {} that are being answered at the same time. Empty: no limit."


def _limit(name: str, help_text: str) -> "models.PositiveIntegerField[int | None, int | None]":
    return models.PositiveIntegerField(
        name, null=True, blank=True, validators=[MinValueValidator(1)], help_text=help_text
    )


class Institution(RevisedModel):
    """The allowance that all courses share. At most one row."""

    topic: ClassVar[str] = TOPIC

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    timezone = models.CharField(max_length=60, default="UTC", validators=[validate_timezone])
    week_starts = models.CharField(max_length=9, choices=Weekday.choices, default=Weekday.MONDAY)
    weekly_tokens = models.BigIntegerField(
        null=True, blank=True, validators=[MinValueValidator(0)], help_text=TOKENS_HELP
    )

    objects = RevisedQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "institution"
        constraints = (models.CheckConstraint(condition=Q(id=1), name="only_one_institution"),)

    def __str__(self) -> str:
        return "Institution"


class QuotaPolicyQuerySet(RevisedQuerySet):
    def for_staff(self, user: Any) -> "QuotaPolicyQuerySet":
        return self.filter(course__in=Course.objects.for_staff(user))


class QuotaPolicy(RevisedModel):
    """What a course and each of its students may use. A course without one refuses every call."""

    topic: ClassVar[str] = TOPIC

    course = models.OneToOneField(Course, on_delete=models.CASCADE, related_name="quota_policy")
    weekly_tokens = models.BigIntegerField(
        "course, per week",
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="Weighted tokens a week for all students together. Empty: no limit.",
    )
    student_weekly_tokens = models.BigIntegerField(
        "each student, per week",
        default=0,
        validators=[MinValueValidator(0)],
        help_text="Weighted tokens a week for each student.",
    )
    key_requests_per_minute = _limit("each key, a minute", PER_MINUTE_HELP.format("each API key"))
    key_concurrent_requests = _limit("each key, at once", AT_ONCE_HELP.format("each API key"))
    student_requests_per_minute = _limit("each student, a minute", PER_MINUTE_HELP.format("each student"))
    student_concurrent_requests = _limit("each student, at once", AT_ONCE_HELP.format("each student"))
    course_requests_per_minute = _limit("course, a minute", PER_MINUTE_HELP.format("all students together"))
    course_concurrent_requests = _limit("course, at once", AT_ONCE_HELP.format("all students together"))
    default_output_tokens = models.PositiveIntegerField(
        default=4096,
        validators=[MinValueValidator(1)],
        help_text="The longest answer, in tokens, when a request sets no maximum.",
    )
    least_output_tokens = models.PositiveIntegerField(
        default=64,
        validators=[MinValueValidator(1)],
        help_text="Refuse rather than answer when fewer tokens than these would be left for the answer.",
    )
    max_output_tokens = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="No answer is longer, whatever a request asks for. Empty: only the model's own limit holds.",
    )

    objects = QuotaPolicyQuerySet.as_manager()

    class Meta:
        verbose_name = "allowance"
        verbose_name_plural = "allowances"

    def __str__(self) -> str:
        return f"Allowance of {self.course}"


class WeeklyUsageQuerySet(models.QuerySet["WeeklyUsage"]):
    def for_staff(self, user: Any) -> "WeeklyUsageQuerySet":
        if user.is_superuser:
            return self
        courses = Course.objects.for_staff(user)
        students = Membership.objects.filter(course__in=courses)
        return self.filter(
            Q(kind=WeeklyUsage.Kind.COURSE, account__in=courses.values("id"))
            | Q(kind=WeeklyUsage.Kind.STUDENT, account__in=students.values("id"))
        )


class WeeklyUsage(models.Model):
    """What one account used and holds in one week: the running sum of its ledger entries."""

    class Kind(models.TextChoices):
        STUDENT = "student", "Student in a course"
        COURSE = "course", "Course"
        INSTITUTION = "institution", "Institution"

    kind = models.CharField(max_length=12, choices=Kind.choices)
    account = models.BigIntegerField(help_text="Id of the membership, course or institution.")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    used = models.BigIntegerField(default=0)
    held = models.BigIntegerField(default=0)

    objects = WeeklyUsageQuerySet.as_manager()

    class Meta:
        verbose_name = "week"
        verbose_name_plural = "weekly usage"
        ordering = ("-starts_at", "kind", "account")
        constraints = (
            models.UniqueConstraint(fields=("kind", "account", "starts_at"), name="one_row_per_account_and_week"),
            models.CheckConstraint(condition=Q(used__gte=0), name="used_is_not_negative"),
            models.CheckConstraint(condition=Q(held__gte=0), name="held_is_not_negative"),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="week_ends_after_it_starts"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.account}, week of {self.starts_at:%Y-%m-%d}"


class Hold(models.Model):
    """A reservation for one call, under the call's own id. HELD ends once; EXPIRED may be adjusted once."""

    class State(models.TextChoices):
        HELD = "held"
        SETTLED = "settled"
        RELEASED = "released"
        EXPIRED = "expired"
        ADJUSTED = "adjusted"

    id = models.CharField(max_length=32, primary_key=True)
    owner = models.CharField(max_length=32, help_text="The process that answers for this hold.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.HELD)
    amount = models.BigIntegerField(help_text="Weighted tokens held on every account.")
    floor = models.BigIntegerField(help_text="The least to charge if the owner dies: what was sent to the provider.")
    checkpoint = models.BigIntegerField(default=0, help_text="What had been relayed when last written down.")
    charged = models.BigIntegerField(null=True, blank=True)
    usage_ids = models.CharField(max_length=200, help_text="The weeks drawn on, as a JSON list of ids.")
    identity = models.TextField(help_text="What the call list needs to know if the owner dies, as JSON.")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("owner", "expires_at"), name="open_holds", condition=Q(state="held")),)
        constraints = (models.CheckConstraint(condition=Q(amount__gte=0), name="hold_is_not_negative"),)

    def __str__(self) -> str:
        return f"{self.id} {self.state}"


class LedgerEntryQuerySet(models.QuerySet["LedgerEntry"]):
    def for_staff(self, user: Any) -> "LedgerEntryQuerySet":
        if user.is_superuser:
            return self
        return self.filter(usage__in=WeeklyUsage.objects.for_staff(user))


class LedgerEntry(models.Model):
    """One movement on one account. Appended, never changed: the sum of a week's entries is its WeeklyUsage."""

    class Kind(models.TextChoices):
        HOLD = "hold", "Held for a call"
        SETTLE = "settle", "Settled"
        RELEASE = "release", "Released"
        EXPIRE = "expire", "Charged after a crash"
        ADJUST = "adjust", "Adjusted after a crash"

    # The unique constraint below begins with the week and serves as its index: every index costs each call a page.
    usage = models.ForeignKey(WeeklyUsage, on_delete=models.PROTECT, related_name="entries", db_index=False)
    hold = models.CharField("call", max_length=32)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    held_delta = models.BigIntegerField("held")
    used_delta = models.BigIntegerField("used")
    at = models.DateTimeField()

    objects = LedgerEntryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "ledger entries"
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(fields=("usage", "hold", "kind"), name="one_entry_per_movement_and_account"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.hold}"
