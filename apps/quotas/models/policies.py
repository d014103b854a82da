"""The tables of policies: what the institution, a course, its students and other roles may use."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.text import format_lazy
from django.utils.translation import gettext

from apps.accounts.audit.audited import AuditedModel, AuditedQuerySet
from apps.accounts.models import Course, Role, Weekday, validate_timezone
from apps.common.translation import lazy as _
from apps.quotas.limits import FULL, PRO_RATA
from apps.quotas.models.ceilings import COURSE, MEMBER, UnderCeiling, Wanted, checked
from apps.quotas.models.fields import TOKENS_HELP, TOPIC, limit

PER_MINUTE_HELP = _(
    "Requests of {whose} in any 60 seconds; those that are too fast are told when to come again. Empty: no limit."
)
BY_DEFAULT_HELP = _(
    "Requests of each student in any 60 seconds; those that are too fast are told when to come again. Empty: as many "
    "as the operator allows by default, unless each key has a limit."
)
TOKENS_PER_MINUTE_HELP = _(
    "Weighted tokens that calls of {whose} may take in any 60 seconds. A call counts with what it may cost at most, "
    "until it ends and that is known. Empty: no limit."
)
AT_ONCE_HELP = _("Requests of {whose} that are being answered at the same time. Empty: no limit.")
AS_STUDENTS = _("Empty: as for students.")


class Institution(AuditedModel):
    """The allowance that all courses share. At most one row."""

    topic: ClassVar[str] = TOPIC

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    timezone = models.CharField(max_length=60, default="UTC", validators=[validate_timezone])
    week_starts = models.CharField(max_length=9, choices=Weekday.choices, default=Weekday.MONDAY)
    weekly_tokens = models.BigIntegerField(
        null=True, blank=True, validators=[MinValueValidator(0)], help_text=TOKENS_HELP
    )

    objects = AuditedQuerySet.as_manager()

    class Meta:
        verbose_name_plural = _("institution")
        constraints = (models.CheckConstraint(condition=Q(id=1), name="only_one_institution"),)

    def __str__(self) -> str:
        return "Institution"


class OfCourseQuerySet(AuditedQuerySet):
    def for_staff(self, user: Any) -> "OfCourseQuerySet":
        return self.filter(course__in=Course.objects.for_staff(user, self.model.__name__))

    def bulk_create(self, objs: Iterable[Any], *args: Any, **options: Any) -> list[Any]:
        created: list[Any] = super().bulk_create(checked(objs), *args, **options)
        return created


class QuotaPolicy(UnderCeiling, AuditedModel):
    """What a course and each of its students may use. Without one, a course refuses every call."""

    class LateJoiners(models.TextChoices):
        FULL = FULL, _("The whole allowance")
        PRO_RATA = PRO_RATA, _("The share of the week that is left")

    class AfterExhaustion(models.TextChoices):
        REFUSE = "refuse", _("Refuse until the week turns")
        FALLBACK = "fallback", _("Answer with a cheaper model, within an allowance of its own")

    topic: ClassVar[str] = TOPIC

    course = models.OneToOneField(Course, on_delete=models.CASCADE, related_name="quota_policy")
    weekly_tokens = models.BigIntegerField(
        _("course, per week"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=_("Weighted tokens a week for all students together. Empty: no limit."),
    )
    student_weekly_tokens = models.BigIntegerField(
        _("each student, per week"),
        default=0,
        validators=[MinValueValidator(0)],
        help_text=_("Weighted tokens a week for each student."),
    )
    key_requests_per_minute = limit(_("each key, a minute"), format_lazy(PER_MINUTE_HELP, whose=_("each API key")))
    key_concurrent_requests = limit(_("each key, at once"), format_lazy(AT_ONCE_HELP, whose=_("each API key")))
    student_requests_per_minute = limit(_("each student, a minute"), BY_DEFAULT_HELP)
    student_concurrent_requests = limit(_("each student, at once"), format_lazy(AT_ONCE_HELP, whose=_("each student")))
    course_requests_per_minute = limit(
        _("course, a minute"), format_lazy(PER_MINUTE_HELP, whose=_("all students together"))
    )
    course_concurrent_requests = limit(
        _("course, at once"), format_lazy(AT_ONCE_HELP, whose=_("all students together"))
    )
    key_tokens_per_minute = limit(
        _("each key, tokens a minute"), format_lazy(TOKENS_PER_MINUTE_HELP, whose=_("each API key"))
    )
    student_tokens_per_minute = limit(
        _("each student, tokens a minute"), format_lazy(TOKENS_PER_MINUTE_HELP, whose=_("each student"))
    )
    course_tokens_per_minute = limit(
        _("course, tokens a minute"), format_lazy(TOKENS_PER_MINUTE_HELP, whose=_("all students together"))
    )
    default_output_tokens = models.PositiveIntegerField(
        default=4096,
        validators=[MinValueValidator(1)],
        help_text=_("The longest answer, in tokens, when a request sets no maximum."),
    )
    least_output_tokens = models.PositiveIntegerField(
        default=64,
        validators=[MinValueValidator(1)],
        help_text=_("Refuse rather than answer when fewer tokens than these would be left for the answer."),
    )
    max_output_tokens = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("No answer is longer, whatever a request asks for. Empty: only the model's own limit holds."),
    )
    late_joiners = models.CharField(
        max_length=8,
        choices=LateJoiners.choices,
        default=LateJoiners.FULL,
        help_text=_("What members get in the week in which they join."),
    )
    after_exhaustion = models.CharField(
        _("when it is used up"),
        max_length=8,
        choices=AfterExhaustion.choices,
        default=AfterExhaustion.REFUSE,
        help_text=_("What becomes of requests once a student's own week is used up."),
    )
    fallback_model = models.CharField(
        max_length=200,
        blank=True,
        default="",
        help_text=_("The model that answers then, by name. It has to be among the models of the course."),
    )
    fallback_student_weekly_tokens = models.BigIntegerField(
        _("each student, of the fallback model"),
        default=0,
        validators=[MinValueValidator(0)],
        help_text=_("Weighted tokens a week for each student beside the usual ones, for the fallback model only."),
    )

    objects = OfCourseQuerySet.as_manager()

    class Meta:
        verbose_name = _("allowance")
        verbose_name_plural = _("allowances")

    def __str__(self) -> str:
        return f"Allowance of {self.course}"

    def clean(self) -> None:
        if self.after_exhaustion == self.AfterExhaustion.FALLBACK and not self.fallback_model:
            raise ValidationError({"fallback_model": gettext("name the model that answers once a week is used up.")})
        self.check_ceiling()

    def wanted(self) -> Iterable[Wanted]:
        yield "weekly_tokens", COURSE, self.weekly_tokens
        yield "student_weekly_tokens", MEMBER, self.student_weekly_tokens
        yield "fallback_student_weekly_tokens", MEMBER, self.fallback_student_weekly_tokens


class RoleAllowance(UnderCeiling, AuditedModel):
    """What each member of a role may use. Empty fields, and roles without a row, have the limits of students."""

    topic: ClassVar[str] = TOPIC
    ROLES: ClassVar[list[tuple[str, str]]] = [choice for choice in Role.choices if choice[0] != Role.STUDENT]

    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="role_allowances")
    role = models.CharField(
        max_length=10,
        choices=ROLES,
        error_messages={"invalid_choice": "must be one of: assistant, instructor, service."},
    )
    weekly_tokens = models.BigIntegerField(
        _("each, per week"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=format_lazy("{} {}", _("Weighted tokens a week for each member of this role."), AS_STUDENTS),
    )
    requests_per_minute = limit(
        _("each, a minute"), format_lazy("{} {}", _("Requests of each in any 60 seconds."), AS_STUDENTS)
    )
    concurrent_requests = limit(
        _("each, at once"), format_lazy("{} {}", _("Requests of each that are being answered at once."), AS_STUDENTS)
    )
    tokens_per_minute = limit(
        _("each, tokens a minute"), format_lazy("{} {}", _("Weighted tokens of each in any 60 seconds."), AS_STUDENTS)
    )

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

    def clean(self) -> None:
        self.check_ceiling()

    def wanted(self) -> Iterable[Wanted]:
        if self.weekly_tokens is not None:  # as for students otherwise
            yield "weekly_tokens", MEMBER, self.weekly_tokens
