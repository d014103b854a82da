"""Settings for all rules of a course."""

from typing import ClassVar

from django.db import models

from apps.accounts.audit.audited import AuditedModel, AuditedQuerySet
from apps.accounts.models import Course
from apps.common.translation import lazy as _
from apps.rules.models.rules import TOPIC


class RuleSettings(AuditedModel):
    """A course's settings for all its rules."""

    topic: ClassVar[str] = TOPIC

    class OnFailure(models.TextChoices):
        BLOCK = "block", _("Refuse: nothing is answered that was not checked")
        LET_PASS = "let_pass", _("Let pass: answer unchecked rather than not at all")

    course = models.OneToOneField(Course, on_delete=models.CASCADE, related_name="rule_settings")
    on_failure = models.CharField(
        _("if rules cannot be checked"),
        max_length=8,
        choices=OnFailure.choices,
        default=OnFailure.BLOCK,
        help_text=_("The rule engine failing is rare. Rules of the institution are never let pass unchecked."),
    )

    tells_in_answers = models.BooleanField(
        _("warnings below answers"),
        default=False,
        db_default=False,
        help_text=_(
            "The message of a rule that warns is added below the answer, where students read it. It is added to plain "
            "text only, and is not charged. If this is off, the message is only in a header."
        ),
    )

    objects = AuditedQuerySet.as_manager()

    class Meta:
        verbose_name = _("rule settings")
        verbose_name_plural = _("rule settings")

    def __str__(self) -> str:
        return self.get_on_failure_display()
