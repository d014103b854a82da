"""What may be said: rules."""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from apps.accounts.models import Course
from apps.common.models import RevisedModel, RevisedQuerySet
from apps.rules import engine

TOPIC = "rulebook"


class RuleQuerySet(RevisedQuerySet):
    def for_staff(self, user: Any) -> "RuleQuerySet":
        return self.filter(course__in=Course.objects.for_staff(user))

    def move(self, stage: "Rule.Stage") -> int:
        """Move all to a stage; how many were elsewhere."""
        return self.exclude(stage=stage).update(stage=stage, updated_at=timezone.now())


class Rule(RevisedModel):
    """One pattern, and what happens to a prompt in which it is found."""

    topic: ClassVar[str] = TOPIC

    class Direction(models.TextChoices):
        PROMPT = "prompt", "What students send"

    class Action(models.TextChoices):
        BLOCK = "block", "Block: refuse with the message"
        GUIDE = "guide", "Guide: add the guidance and answer"

    class Stage(models.TextChoices):
        DRAFT = "draft", "Draft: does nothing"
        OBSERVE = "observe", "Observe: records its hits"
        WARN = "warn", "Warn: records, and tells the student in a header"
        ENFORCE = "enforce", "Enforce: acts"

    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="rules")
    name = models.SlugField(max_length=60, help_text="Short name, unique in the course, such as no-homework.")
    pattern = models.CharField(
        max_length=engine.MAX_PATTERN_LENGTH,
        help_text="A regular expression in RE2 syntax. (?i) at the start ignores case.",
    )
    direction = models.CharField(max_length=6, choices=Direction.choices, default=Direction.PROMPT)
    action = models.CharField(max_length=5, choices=Action.choices, default=Action.BLOCK)
    stage = models.CharField(max_length=7, choices=Stage.choices, default=Stage.DRAFT)
    priority = models.SmallIntegerField(default=0, help_text="Of several blocking rules, the highest speaks.")
    message = models.TextField(
        blank=True, max_length=1000, help_text="Block: the sentence that the student reads. Plain text."
    )
    guidance = models.TextField(
        blank=True, max_length=4000, help_text="Guide: what the model is told, as a system message of its own."
    )
    updated_at = models.DateTimeField(auto_now=True)

    objects = RuleQuerySet.as_manager()

    class Meta:
        ordering = ("course", "-priority", "name")
        constraints = (models.UniqueConstraint(fields=("course", "name"), name="one_rule_per_name_and_course"),)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        errors = {}
        try:
            engine.check(self.pattern)
        except engine.BadPattern as error:
            errors["pattern"] = str(error)
        if self.action == self.Action.BLOCK and not self.message.strip():
            errors["message"] = "Write the sentence that the student reads when this rule blocks."
        if self.action == self.Action.GUIDE and not self.guidance.strip():
            errors["guidance"] = "Write what the model is told when this rule matches."
        if errors:
            raise ValidationError(errors)
