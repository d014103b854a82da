"""The tables of the ledger, for reading. Only `apps.quotas.ledger` writes them, in SQL."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import BigIntegerField, F, Func, Max, Q
from django.db.models.expressions import RawSQL

from apps.accounts import permissions
from apps.accounts.models import Course, Membership
from apps.common.translation import lazy as _
from apps.quotas.models.fields import LastingId
from apps.quotas.models.sections import SECTION, SECTIONS_BETWEEN


class WeeklyUsageQuerySet(models.QuerySet["WeeklyUsage"]):
    def for_staff(self, user: Any) -> "WeeklyUsageQuerySet":
        if permissions.is_operator(user):
            return self
        courses = Course.objects.for_staff(user, "WeeklyUsage")
        students = Membership.objects.filter(course__in=courses)
        return self.filter(
            Q(kind=WeeklyUsage.Kind.COURSE, account__in=courses.values("id"))
            | Q(kind__in=WeeklyUsage.OF_STUDENTS, account__in=students.values("id"))
        )


class WeeklyUsage(models.Model):
    """What one account used and holds in one week: the running sums of its ledger entries."""

    class Kind(models.TextChoices):
        STUDENT = "student", _("Student in a course")
        COURSE = "course", _("Course")
        INSTITUTION = "institution", _("Institution")
        FALLBACK = "fallback", _("Student, fallback model")

    owner = ""  # display name of the account, if a query annotates it
    # Kinds whose account is a membership.
    OF_STUDENTS: ClassVar[tuple[str, ...]] = ("student", "fallback")

    kind = models.CharField(max_length=12, choices=Kind.choices)
    account = models.BigIntegerField(help_text=_("Id of the membership, course or institution."))
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    used = models.BigIntegerField(default=0)
    held = models.BigIntegerField(default=0)
    granted = models.BigIntegerField(
        default=0, db_default=0, help_text=_("Added to the limit by staff, for this week.")
    )
    opened_after = models.BigIntegerField(
        default=0, db_default=0, help_text=_("The entries of the week have greater ids.")
    )

    objects = WeeklyUsageQuerySet.as_manager()

    class Meta:
        verbose_name = _("week")
        verbose_name_plural = _("weekly usage")
        ordering = ("-starts_at", "kind", "account")
        constraints = (
            models.UniqueConstraint(fields=("kind", "account", "starts_at"), name="one_row_per_account_and_week"),
            models.CheckConstraint(condition=Q(used__gte=0), name="used_is_not_negative"),
            models.CheckConstraint(condition=Q(held__gte=0), name="held_is_not_negative"),
            models.CheckConstraint(condition=Q(granted__gte=0), name="granted_is_not_negative"),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="week_ends_after_it_starts"),
        )

    def __str__(self) -> str:
        owner = self.owner or f"{self.get_kind_display()} {self.account}"
        return f"{owner}, week of {self.starts_at:%Y-%m-%d}"


class Hold(models.Model):
    """A reservation for one call, with the id of the call. HELD ends once; EXPIRED may be adjusted once."""

    class State(models.TextChoices):
        HELD = "held", _("Held")
        SETTLED = "settled", _("Settled")
        RELEASED = "released", _("Released")
        EXPIRED = "expired", _("Expired")
        ADJUSTED = "adjusted", _("Adjusted")

    id = models.CharField(max_length=32, primary_key=True)
    owner = models.CharField(max_length=32, help_text=_("The process that answers for this hold."))
    state = models.CharField(max_length=8, choices=State.choices, default=State.HELD, db_default=State.HELD)
    amount = models.BigIntegerField(help_text=_("Weighted tokens held on every account."))
    floor = models.BigIntegerField(help_text=_("The least to charge if the owner dies: what was sent to the provider."))
    checkpoint = models.BigIntegerField(
        default=0, db_default=0, help_text=_("What had been relayed when last written down.")
    )
    charged = models.BigIntegerField(null=True, blank=True)
    usage_ids = models.CharField(max_length=200, help_text=_("The weeks drawn on, as a JSON list of ids."))
    identity = models.TextField(help_text=_("What the call list needs to know if the owner dies, as JSON."))
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("owner", "expires_at"), name="open_holds", condition=Q(state="held")),)
        constraints = (models.CheckConstraint(condition=Q(amount__gte=0), name="hold_is_not_negative"),)

    def __str__(self) -> str:
        return f"{self.id} {self.state}"


class Section(Func):
    """The section of the ledger to which the id of an entry belongs."""

    template = f"(%(expressions)s / {SECTION})"
    output_field = BigIntegerField()


class LedgerEntryQuerySet(models.QuerySet["LedgerEntry"]):
    def of(self, week: WeeklyUsage) -> "LedgerEntryQuerySet":
        """The entries of a week, found through the index section by section."""
        newest = self.model.objects.aggregate(newest=Max("pk"))["newest"] or 0
        sections = RawSQL(SECTIONS_BETWEEN, (week.opened_after, newest))  # noqa: S611
        return self.alias(section=Section("pk")).filter(section__in=sections, usage=week)

    def for_staff(self, user: Any) -> "LedgerEntryQuerySet":
        if permissions.is_operator(user):
            return self
        return self.filter(usage__in=WeeklyUsage.objects.for_staff(user))


BY_STAFF = ("grant", "correct", "change")  # kinds of entries


class LedgerEntry(models.Model):
    """One movement on one account. Append-only: the sum of a week's entries is its WeeklyUsage."""

    class Kind(models.TextChoices):
        HOLD = "hold", _("Held for a call")
        SETTLE = "settle", _("Settled")
        RELEASE = "release", _("Released")
        EXPIRE = "expire", _("Charged after a crash")
        ADJUST = "adjust", _("Adjusted after a crash")
        EXCESS = "excess", _("Charged beyond what was held")
        GRANT = "grant", _("Granted by staff")
        CORRECT = "correct", _("Corrected by staff")
        CHANGE = "change", _("Limit changed")

    id = LastingId(primary_key=True)
    # The week is locked while an entry is written, so the database need not check the reference.
    usage = models.ForeignKey(
        WeeklyUsage, on_delete=models.PROTECT, related_name="entries", db_constraint=False, db_index=False
    )
    hold = models.CharField(_("call"), max_length=40, help_text=_("The call, or the id of what staff did."))
    kind = models.CharField(max_length=8, choices=Kind.choices)
    held_delta = models.BigIntegerField(_("held"))
    used_delta = models.BigIntegerField(_("used"))
    at = models.DateTimeField()
    # The statement that writes the entries of calls does not name these three.
    granted_delta = models.BigIntegerField(_("granted"), default=0, db_default=0)
    note = models.TextField(_("reason"), blank=True, default="", db_default="")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
        verbose_name=_("by"),
    )

    objects = LedgerEntryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = _("ledger entries")
        ordering = ("-id",)
        constraints = (
            # Not `IN`: SQLite evaluates this for each entry, and takes ten times as long for a list.
            models.UniqueConstraint(
                fields=("usage", "hold", "kind"),
                name="staff_movements_count_once",
                condition=Q(kind="grant") | Q(kind="correct") | Q(kind="change"),
            ),
        )
        indexes = (
            # The only index that calls pay for. A hold's row prevents it from ending twice, and the audit proves it.
            models.Index(Section("id"), "usage", name="entries_by_section_and_week"),
            # For the deletion of a user. The entries of calls are not in it.
            models.Index(fields=("actor",), name="entries_by_staff", condition=Q(actor__isnull=False)),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.hold}"
