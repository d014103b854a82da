"""Exceptions to rules: texts that are allowed."""

from typing import ClassVar

from django.conf import settings
from django.db import models

from apps.accounts.audit.audited import AuditedModel, AuditedQuerySet
from apps.common.translation import lazy as _
from apps.rules.models.rules import TOPIC, Rule


class RuleException(AuditedModel):
    """A text that a rule finds and that is allowed. The text is folded as in the rule engine."""

    topic: ClassVar[str] = TOPIC
    audit_hidden: ClassVar[frozenset[str]] = frozenset({"text", "reason"})  # a student's words
    LONGEST: ClassVar[int] = 500

    rule = models.ForeignKey(Rule, on_delete=models.CASCADE, related_name="exceptions")
    text = models.CharField(max_length=LONGEST)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    reason = models.CharField(max_length=1000, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = AuditedQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        verbose_name = _("exception")
        constraints = (models.UniqueConstraint(fields=("rule", "text"), name="one_exception_per_rule_and_text"),)

    def __str__(self) -> str:
        return self.text[:60]

    @property
    def audit_label(self) -> str:
        return f"exception to {self.rule}"
