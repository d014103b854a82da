"""Rules: what is searched for in a course's calls, and what happens when it is found."""

from collections.abc import Mapping
from itertools import count
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils.text import slugify
from django.utils.translation import gettext

from apps.accounts.models import Course
from apps.common.translation import lazy as _
from apps.common.zones import zone
from apps.rules import validation
from apps.rules.engine import matcher
from apps.rules.models import neighbours
from apps.rules.models.querysets import RuleQuerySet
from apps.rules.models.versions import VERSIONED, RuleVersion, VersionedModel
from apps.rules.ready_rules import ReadyRule
from apps.rules.schedules import Schedule

TOPIC = "rulebook"
LONGEST_STEM = 55  # of a short name, which leaves room for a number
DEFAULT_REPLACEMENT = "[redacted]"
WRITTEN = ("why", "message", "guidance", "examples_match", "examples_no_match")  # text of several lines


class Rule(VersionedModel):
    """One pattern, where and when it is searched for, and what happens when it is found.

    Every save makes a version; `signed` says by whom.
    """

    topic: ClassVar[str] = TOPIC

    class Direction(models.TextChoices):
        PROMPT = "prompt", _("What students send")
        ANSWER = "answer", _("What the model answers")
        BOTH = "both", _("Both")

    class Action(models.TextChoices):
        BLOCK = "block", _("Block: refuse with the message")
        REDACT = "redact", _("Redact: replace what was found, then go on")
        FLAG = "flag", _("Flag: mark the call for staff")
        GUIDE = "guide", _("Guide: add the guidance and answer")

    class Stage(models.TextChoices):
        DRAFT = "draft", _("Draft: does nothing")
        OBSERVE = "observe", _("Observe: records its hits")
        WARN = "warn", _("Warn: records, and tells the student in a header")
        ENFORCE = "enforce", _("Enforce: acts")

    course = models.ForeignKey(
        Course,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="rules",
    )
    name = models.SlugField(
        max_length=60, help_text=_("For files, addresses and the API, such as no-homework. Unique in the course.")
    )
    title = models.CharField(
        max_length=120, blank=True, default="", db_default="", help_text=_("What people call it, in any words.")
    )
    why = models.TextField(
        _("purpose"),
        blank=True,
        default="",
        db_default="",
        max_length=1000,
        help_text=_("Why the course has this rule, and what it cannot do. Students do not see it."),
    )
    pattern = models.CharField(
        max_length=matcher.MAX_PATTERN_LENGTH,
        help_text=_("A regular expression in RE2 syntax. (?i) at the start ignores case."),
    )
    checksum = models.CharField(
        max_length=30,
        blank=True,
        default="",
        db_default="",
        help_text=_("Only count matches whose check digits are right, such as of card numbers."),
    )
    direction = models.CharField(max_length=6, choices=Direction.choices, default=Direction.PROMPT)
    action = models.CharField(max_length=6, choices=Action.choices, default=Action.BLOCK)
    stage = models.CharField(max_length=7, choices=Stage.choices, default=Stage.DRAFT)
    assignment = models.SlugField(
        _("assignment tag"),
        max_length=60,
        blank=True,
        default="",
        db_default="",
        help_text=_("Only calls that carry this tag. Blank: every call."),
    )
    starts_at = models.DateTimeField(_("from"), null=True, blank=True)
    ends_at = models.DateTimeField(_("until"), null=True, blank=True)
    weekdays = models.CharField(max_length=7, blank=True, default="", db_default="", help_text=_("Blank: every day."))
    from_time = models.TimeField(_("from hour"), null=True, blank=True, help_text=_("On the clock of the course."))
    until_time = models.TimeField(_("until hour"), null=True, blank=True, help_text=_("May lie after midnight."))
    priority = models.SmallIntegerField(default=0, help_text=_("Of several blocking rules, the highest speaks."))
    message = models.TextField(
        blank=True,
        max_length=1000,
        help_text=_(
            "The sentence that the student reads. A blocking rule needs one; others send it along as a notice."
        ),
    )
    guidance = models.TextField(
        blank=True, max_length=4000, help_text=_("Guide: what the model is told, as a system message of its own.")
    )
    replacement = models.CharField(
        max_length=100,
        blank=True,
        default=DEFAULT_REPLACEMENT,
        db_default=DEFAULT_REPLACEMENT,
        help_text=_("Redact: what stands in place of the match. Plain text."),
    )
    examples_match = models.TextField(
        _("must be found"),
        blank=True,
        default="",
        db_default="",
        max_length=10_000,
        help_text=_("Sentences that the rule is for, one a line."),
    )
    examples_no_match = models.TextField(
        _("must not be found"),
        blank=True,
        default="",
        db_default="",
        max_length=10_000,
        help_text=_("Innocent sentences, one a line."),
    )
    updated_at = models.DateTimeField(auto_now=True)

    objects = RuleQuerySet.as_manager()

    source: "Rule | None" = None  # the original, if this is a copy that is not saved yet

    class Meta:
        ordering = ("course", "-priority", "name")
        constraints = (
            models.UniqueConstraint(fields=("course", "name"), name="one_rule_per_name_and_course"),
            models.UniqueConstraint(
                fields=("name",), condition=Q(course=None), name="one_rule_per_name_in_the_institution"
            ),
            models.CheckConstraint(condition=~Q(action="block") | ~Q(message=""), name="blocking_rules_say_why"),
            models.CheckConstraint(
                condition=~Q(action="guide") | (Q(direction="prompt") & ~Q(guidance="")),
                name="guiding_rules_have_guidance_and_look_at_prompts",
            ),
            models.CheckConstraint(
                condition=~Q(action="redact") | ~Q(replacement=""), name="redacting_rules_have_a_replacement"
            ),
            models.CheckConstraint(
                condition=Q(starts_at=None) | Q(ends_at=None) | Q(starts_at__lt=F("ends_at")),
                name="rules_end_after_they_start",
            ),
        )

    def __str__(self) -> str:
        return self.name

    # Factories

    @classmethod
    def free_name(cls, title: str, *, course: Course | None) -> str:
        """A short name made from a title that no rule of the course has yet."""
        stem = slugify(title)[:LONGEST_STEM].strip("-_") or "rule"
        taken = set(cls._base_manager.filter(course=course, name__startswith=stem).values_list("name", flat=True))
        return next(name for n in count(1) if (name := stem if n == 1 else f"{stem}-{n}") not in taken)

    @classmethod
    def from_library(cls, ready: ReadyRule, *, course: Course, by: Any) -> "Rule":
        """Add a ready rule with its examples to a course, in observe. Raises ValidationError."""
        rule = cls.of(ready)
        rule.course = course
        rule.full_clean()
        rule.signed(by=by, note=f"from the ready rules: {ready.title}"[:200]).save()
        return rule

    @classmethod
    def of(cls, ready: ReadyRule) -> "Rule":
        """A ready rule as a rule of no course yet, not saved."""
        return cls(
            name=ready.slug,
            title=ready.title,
            why=ready.purpose,
            pattern=ready.pattern,
            checksum=ready.checksum,
            direction=ready.direction,
            action=ready.action,
            stage=cls.Stage.OBSERVE,
            message=ready.message,
            guidance=ready.guidance,
            replacement=ready.replacement or DEFAULT_REPLACEMENT,
            examples_match="\n".join(ready.matches),
            examples_no_match="\n".join(ready.misses),
        )

    # Mutators

    def save(self, *args: Any, **options: Any) -> None:
        if options.get("update_fields") is None and not self.title:
            self.title = self.name
        super().save(*args, **options)

    def clean(self) -> None:
        self.title = self.title or self.name
        for name in WRITTEN:  # forms end lines with CRLF, which alone would make a new version
            setattr(self, name, getattr(self, name).replace("\r\n", "\n"))
        if neighbours.is_taken(self):
            raise ValidationError(
                {
                    "name": gettext("{course} already has a rule called {name}.").format(
                        course=self.course or gettext("The institution"), name=self.name
                    )
                }
            )
        if errors := validation.complaints(self, others=neighbours.others(self), excepted=neighbours.excepted(self)):
            raise ValidationError(errors)

    def move(self, stage: "Rule.Stage | str", *, by: Any = None, note: str = "") -> None:
        self.stage = stage
        self.signed(by=by, note=note).save(update_fields=["stage", "updated_at"])

    def add_example(self, text: str, *, field: str, by: Any, note: str) -> None:
        """Add a line to the examples, unless it is there. Raises ValidationError if the rule would not be valid."""
        lines = getattr(self, field).splitlines()
        if text not in lines:
            setattr(self, field, "\n".join([*lines, text]))
            self.full_clean()
            self.signed(by=by, note=note).save()

    def take(self, fields: Mapping[str, Any]) -> None:
        """Set fields to values in their stored form, such as those of a version, without saving."""
        for name, value in fields.items():
            column: Any = self._meta.get_field(name)
            setattr(self, name, column.to_python(value))

    def restore(self, version: RuleVersion, *, by: Any) -> None:
        """Return the rule to a version. Raises ValidationError if that is no longer valid."""
        self.take(version.fields)
        self.full_clean()
        self.signed(by=by, note=f"back to version {version.number}").save()

    def edit(self, fields: Mapping[str, Any], *, stage: str, by: Any) -> None:
        """Change fields, given in their stored form, and the stage in one version. Raises ValidationError."""
        self.take(fields)
        self.stage = stage
        self.full_clean()
        self.signed(by=by).save()

    def copy_to(self, course: Course, *, by: Any, stage: str) -> "Rule":
        """Copy the rule to another course, without its dates, which are those of this term.

        A copy of a rule that is enforced observes, as nobody has seen yet what it would do there. So does a copy of a
        rule with dates, which would always hold without them. Raises ValidationError if the course has a rule of this
        name: none is ever replaced.
        """
        values = {name: getattr(self, name) for name in VERSIONED if name not in ("starts_at", "ends_at", "stage")}
        if stage == self.Stage.ENFORCE or (self.has_dates and stage != self.Stage.DRAFT):
            stage = self.Stage.OBSERVE
        copy = Rule(course=course, stage=stage, **values)
        copy.source = self
        copy.full_clean()
        copy.signed(by=by, note=f"copied from {self.place}/{self.name}").save()
        return copy

    # Properties

    @property
    def shown_title(self) -> str:
        return self.title or self.name

    @property
    def place(self) -> str:
        return self.course.slug if self.course else "institution"

    @property
    def has_dates(self) -> bool:
        return self.starts_at is not None or self.ends_at is not None

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the rule's pages: the course's, or UTC for rules of the institution."""
        return zone(self.course.timezone if self.course else "UTC")

    @property
    def schedule(self) -> Schedule:
        return Schedule(
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            weekdays=self.weekdays,
            from_time=self.from_time,
            until_time=self.until_time,
        )

    @property
    def stage_before_draft(self) -> str:
        """The stage before the rule was switched off, or observe if it has always been a draft."""
        last = self.versions.exclude(fields__stage=self.Stage.DRAFT).order_by("-number").first()
        return str(last.fields["stage"]) if last else self.Stage.OBSERVE
