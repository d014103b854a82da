"""The table of requests for more."""

from typing import Any, ClassVar

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models, transaction
from django.db.models import Q

from apps.accounts.audit import record
from apps.accounts.models import Course, Membership
from apps.accounts.petitions import Petition, PetitionQuerySet
from apps.common.translation import lazy as _

MOST_TOKENS = 10**12


class AllowanceRequestQuerySet(PetitionQuerySet["AllowanceRequest"]):
    def for_staff(self, user: Any) -> "AllowanceRequestQuerySet":
        return self.filter(membership__course__in=Course.objects.for_staff(user, "AllowanceRequest"))


class AllowanceRequest(Petition):
    """A student's request for more tokens in a week. At most one is open at a time."""

    audit_noun: ClassVar[str] = "request"

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        GRANTED = "granted", _("Granted")
        DECLINED = "declined", _("Declined")

    membership = models.ForeignKey(
        Membership, on_delete=models.CASCADE, related_name="allowance_requests", verbose_name=_("student")
    )
    week_starts_at = models.DateTimeField(_("week"))
    tokens = models.BigIntegerField(_("tokens asked for"), validators=[MinValueValidator(1)])
    reason = models.TextField(max_length=Petition.LONGEST)
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN, db_default=State.OPEN)
    created_at = models.DateTimeField(_("asked"))
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    answer = models.TextField(max_length=Petition.LONGEST, blank=True, default="", db_default="")
    granted_tokens = models.BigIntegerField(_("tokens granted"), null=True, blank=True)

    objects = AllowanceRequestQuerySet.as_manager()

    class Meta:
        verbose_name = _("request for more")
        verbose_name_plural = _("requests for more")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("membership", "week_starts_at"),
                name="one_open_request_per_student_and_week",
                condition=Q(state="open"),
            ),
            models.CheckConstraint(condition=Q(tokens__gte=1), name="a_request_asks_for_something"),
        )

    def __str__(self) -> str:
        return f"{self.tokens:,} tokens for {self.membership}"

    def reopen(self) -> bool:
        """Let a granted request wait again. False if it is not granted any more, or another one waits."""
        rows = AllowanceRequest.objects.filter(membership=self.membership_id, week_starts_at=self.week_starts_at)
        with transaction.atomic():
            if rows.filter(state=self.State.OPEN).exists():
                return False
            changes = {"state": self.State.OPEN, "answer": "", "decided_by": None, "decided_at": None}
            if not rows.filter(pk=self.pk, state=self.State.GRANTED).update(**changes, granted_tokens=None):
                return False
            before, after = {"state": str(self.State.GRANTED)}, {"state": str(self.State.OPEN)}
            record("request.reopened", subject=self, before=before, after=after)
        return True
