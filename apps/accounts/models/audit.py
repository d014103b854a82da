"""The audit log: who did what, and when. The database refuses to change its entries, and to delete recent ones.

Triggers do that (see `migrations/0004_audit.py`). A migration that alters this table on SQLite makes it anew, without
its triggers, and must create them again.
"""

from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction

from apps.accounts.models.courses import Course
from apps.accounts.permissions import is_operator
from apps.common.translation import lazy as _


class AuditEntryQuerySet(models.QuerySet["AuditEntry"]):
    def for_staff(self, user: Any) -> "AuditEntryQuerySet":
        """All entries for operators, those of their courses for department admins and instructors."""
        return self if is_operator(user) else self.filter(course__in=Course.objects.for_staff(user, "AuditEntry"))

    def forget(self, *, before: datetime) -> int:
        """Delete the entries that are older. The only way to delete any."""
        with transaction.atomic():
            AuditHorizon.objects.update_or_create(pk=1, defaults={"forget_before": before})
            count = self.filter(at__lt=before).delete()[0]
            AuditHorizon.objects.update(forget_before=None)
        return count


class AuditEntry(models.Model):
    """One thing that somebody did. Actor, object and course are ids without foreign keys: entries outlive them."""

    at = models.DateTimeField(_("when"), db_index=True)
    actor_kind = models.CharField(_("kind of actor"), max_length=8)
    actor_id = models.BigIntegerField(_("ID of the actor"), null=True)
    actor_name = models.CharField(_("who"), max_length=150, blank=True)
    action = models.CharField(max_length=60)
    object_type = models.CharField(_("kind of object"), max_length=40, blank=True)
    object_id = models.CharField(_("ID of the object"), max_length=40, blank=True)
    object_label = models.CharField(_("object"), max_length=200, blank=True)
    course = models.BigIntegerField(null=True)
    before = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    after = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    address = models.CharField(_("from"), max_length=45, blank=True)
    request_id = models.CharField(_("request ID"), max_length=32, blank=True)
    note = models.CharField(max_length=500, blank=True)
    is_security = models.BooleanField(_("security event"), default=False)

    objects = AuditEntryQuerySet.as_manager()

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        ordering = ("-id",)
        indexes = (
            models.Index(fields=("course", "id"), name="audit_of_a_course"),
            models.Index(fields=("object_type", "object_id", "id"), name="audit_of_an_object"),
            models.Index(fields=("action", "id"), name="audit_by_action"),
            models.Index(fields=("actor_kind", "actor_id", "id"), name="audit_of_an_actor"),
            models.Index(fields=("id",), name="audit_of_security", condition=models.Q(is_security=True)),
        )

    def __str__(self) -> str:
        return f"{self.action} {self.object_label}".strip()


class AuditHorizon(models.Model):
    """At most one row. The triggers let entries go that are older than `forget_before`, and no others."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    forget_before = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.CheckConstraint(condition=models.Q(id=1), name="only_one_audit_horizon"),)

    def __str__(self) -> str:
        return str(self.forget_before or "")
