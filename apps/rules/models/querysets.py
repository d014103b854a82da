"""Sets of rules: whose they are, which stand beside a rule, and moving many at once."""

from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.accounts import permissions
from apps.accounts.models import Course
from apps.rules.models.versions import VersionedQuerySet


class RuleQuerySet(VersionedQuerySet):
    def for_staff(self, user: Any) -> "RuleQuerySet":
        """The rules of the user's courses; for operators also those of the institution."""
        if permissions.is_operator(user):
            return self
        return self.filter(course__in=Course.objects.for_staff(user, "Rule"))

    def enforced_beside(self, rule: Any) -> "RuleQuerySet":
        """The other enforced rules for calls of the rule's course, the institution's among them."""
        enforced = self.filter(Q(course=rule.course_id) | Q(course=None), stage=self.model.Stage.ENFORCE)
        return enforced.exclude(pk=rule.pk).select_related("course").prefetch_related("exceptions")

    def move(self, stage: str, *, by: Any = None) -> int:
        """Move all rules to a stage. Returns how many were in another."""
        with transaction.atomic():
            rules = list(self.exclude(stage=stage).select_for_update(of=("self",)))
            moved = self.model.objects.filter(pk__in=[rule.pk for rule in rules])
            super(VersionedQuerySet, moved).update(stage=stage, updated_at=timezone.now())
            self.model.record_versions(rules, by=by)
        return len(rules)
