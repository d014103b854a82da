"""Recorded calls, the conversations that they form, and their text.

Calls are narrow rows, which `call_rows.py` writes in SQL with the settlement. Text is wide and arrives later, through
the spool, in tables of its own.
"""

from typing import Any, ClassVar

from django.db import models

from apps.accounts import permissions
from apps.accounts.models import ApiKey, Course, Membership, MembershipQuerySet, User
from apps.accounts.petitions import Petition, PetitionQuerySet
from apps.common.translation import lazy as _
from apps.conversations.figures.tables import CourseUse, FiguresMark, ProviderUse
from apps.conversations.titles import title_of
from apps.providers.health.words import reason_of, result_of
from apps.rules.models import Rule

__all__ = [
    "Appeal",
    "Call",
    "CallAttempt",
    "CourseUse",
    "DeadLetter",
    "Exchange",
    "FiguresMark",
    "ProviderUse",
    "RuleHit",
    "Thread",
    "Turn",
]
MOST_MEMBERS = 500
SHORTEST_ID = 6
DONE: dict[str, str] = {
    Rule.Action.BLOCK: "blocked",
    Rule.Action.REDACT: "redacted",
    Rule.Action.FLAG: "flagged",
    Rule.Action.GUIDE: "guided",
}


class CallQuerySet(models.QuerySet["Call"]):
    def for_staff(self, user: Any) -> "CallQuerySet":
        if permissions.is_operator(user):
            return self
        return self.filter(course__in=Course.objects.for_staff(user, "Call"))

    def matching(self, term: str, *, members: MembershipQuerySet) -> "CallQuerySet":
        """Calls of those of these members that match the search, or whose request id starts with it."""
        term = term.strip().lower()
        # Finds the members first, and bounds their number, so that the calls are found by index.
        found = models.Q(membership__in=list(members.matching(term).values_list("pk", flat=True)[:MOST_MEMBERS]))
        if len(term) >= SHORTEST_ID and not set(term) - set("0123456789abcdef"):
            found |= models.Q(pk__gte=term, pk__lt=term + "g")
        return self.filter(found)


class Call(models.Model):
    """One proxied request. Its id is the request id that the student saw."""

    class Status(models.TextChoices):
        ANSWERED = "answered", _("Answered")
        LEFT = "left", _("Student left")
        FAILED = "failed", _("Failed")
        INTERRUPTED = "interrupted", _("Interrupted by a crash")
        BLOCKED = "blocked", _("Blocked by a rule")
        OUT_OF_QUOTA = "out_of_quota", _("Out of quota")

    id = models.CharField(_("request ID"), max_length=32, primary_key=True)
    # No indexes of their own: the two below suffice, and each index costs every call a page.
    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="calls", db_index=False)
    membership = models.ForeignKey(
        Membership, on_delete=models.CASCADE, related_name="calls", verbose_name=_("student"), db_index=False
    )
    api_key = models.ForeignKey(
        ApiKey, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    model = models.CharField(max_length=100)
    provider = models.CharField(max_length=60, blank=True)
    upstream_model = models.CharField(max_length=200, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    is_stream = models.BooleanField(_("streamed"), default=False)
    status = models.CharField(max_length=12, choices=Status.choices)
    error_code = models.CharField(max_length=60, blank=True)
    input_tokens = models.BigIntegerField(default=0)
    cached_input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    charged = models.BigIntegerField(default=0, help_text=_("Weighted tokens."))
    is_estimated = models.BooleanField(
        _("estimated"), default=False, help_text=_("The provider reported no usage; the counts are our estimate.")
    )
    started_at = models.DateTimeField()
    first_byte_ms = models.IntegerField(null=True, blank=True)
    duration_ms = models.IntegerField(default=0)

    objects = CallQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        # Ascending, though read backwards: SQLite appends to the last page, but splits pages of a descending index.
        indexes = (
            models.Index(fields=("course", "id"), name="calls_of_a_course"),
            models.Index(fields=("membership", "id"), name="calls_of_a_student"),
        )

    def __str__(self) -> str:
        return self.id

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens


class RuleHit(models.Model):
    """A rule that was found in a call, as the rule was then."""

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="rule_hits")
    # No index of its own: the one below covers it.
    rule = models.ForeignKey(
        Rule, on_delete=models.SET_NULL, null=True, blank=True, related_name="hits", db_index=False
    )
    name = models.CharField(max_length=60)
    action = models.CharField(max_length=6, choices=Rule.Action.choices)
    stage = models.CharField(max_length=7, choices=Rule.Stage.choices)
    message = models.PositiveIntegerField(help_text=_("Position of the message in the request, from 0."))
    start = models.PositiveIntegerField(help_text=_("Where the match starts in the text of that message."))
    end = models.PositiveIntegerField()
    version = models.PositiveIntegerField(default=0, db_default=0, help_text=_("Of the rule, at that time."))
    direction = models.CharField(max_length=6, default="prompt", db_default="prompt", help_text=_("prompt or answer."))

    class Meta:
        ordering = ("id",)
        # Ordered by time, so counting what a rule found in some days reads one range of this index.
        indexes = (models.Index(fields=("rule", "call", "stage", "action"), name="hits_of_a_rule"),)

    def __str__(self) -> str:
        return self.name

    def is_in(self, message: int | None) -> bool:
        """True if the hit is in this message of the request; None stands for the answer."""
        return message is None if self.direction == "answer" else self.message == message

    @property
    def outcome(self) -> str:
        """What came of it: observed, warned, or what an enforced rule did."""
        if self.stage == Rule.Stage.ENFORCE:
            return DONE[self.action]
        return "warned" if self.stage == Rule.Stage.WARN else "observed"


class CallAttempt(models.Model):
    """An attempt to have a deployment answer a call. Only calls with several attempts, or that failed, have any."""

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="made_attempts")
    number = models.PositiveSmallIntegerField(help_text=_("From 1."))
    provider = models.CharField(max_length=60)
    upstream_model = models.CharField(max_length=200)
    outcome = models.CharField(max_length=12, help_text=_("`answered`, or why it failed."))
    status = models.PositiveSmallIntegerField(
        default=0, help_text=_("HTTP status of the provider; 0 if there was none.")
    )
    milliseconds = models.IntegerField(default=0, help_text=_("Until the answer began, or the attempt failed."))

    class Meta:
        db_table = "conversations_attempt"
        verbose_name = _("attempt")
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.provider}: {self.outcome}"

    @property
    def result(self) -> str:
        """The outcome in a word or two."""
        return result_of(self.outcome)

    @property
    def reason(self) -> str:
        """Why it failed, in a sentence."""
        return reason_of(self.outcome, self.status)


class AppealQuerySet(PetitionQuerySet["Appeal"]):
    def for_staff(self, user: Any) -> "AppealQuerySet":
        if permissions.is_operator(user):
            return self
        return self.filter(call__course__in=Course.objects.for_staff(user, "Appeal"))


class Appeal(Petition):
    """A student says that a rule was wrong about a call. At most one appeal per call."""

    audit_noun: ClassVar[str] = "appeal"

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        ACCEPTED = "accepted", _("Accepted")
        DECLINED = "declined", _("Declined")

    class Outcome(models.TextChoices):
        REFUSE = "refuse", _("Right to refuse")
        ONCE = "once", _("Fine this once")
        EVERYONE = "everyone", _("Fine for everyone")

    call = models.OneToOneField(Call, on_delete=models.CASCADE, related_name="appeal")
    # Copied from the call, so that the index below finds a student's appeals, however many others appeal.
    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="appeals", db_index=False)
    rule = models.ForeignKey(Rule, on_delete=models.SET_NULL, null=True, blank=True, related_name="appeals")
    rule_name = models.CharField(_("rule"), max_length=60, blank=True)
    rule_version = models.PositiveIntegerField(default=0)
    reason = models.TextField(max_length=Petition.LONGEST)
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    # Empty while it is open, and in appeals of before there were outcomes.
    outcome = models.CharField(max_length=8, choices=Outcome.choices, blank=True, default="", db_default="")
    answer = models.TextField(blank=True, max_length=Petition.LONGEST)
    created_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    objects = AppealQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        indexes = (
            models.Index(fields=("state", "id"), name="appeals_by_state"),
            models.Index(fields=("membership", "id"), name="appeals_of_a_student"),
        )

    def __str__(self) -> str:
        return f"Appeal against {self.rule_name or 'a rule'}"

    @property
    def decision(self) -> str:
        """What was decided, in words."""
        return self.get_outcome_display() or self.get_state_display()


class ThreadQuerySet(models.QuerySet["Thread"]):
    def for_staff(self, user: Any) -> "ThreadQuerySet":
        if permissions.is_operator(user):
            return self
        return self.filter(course__in=Course.objects.for_staff(user, "Thread"))


class Thread(models.Model):
    """A conversation: calls that continue one another, recognised by the history that clients resend."""

    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="threads")
    membership = models.ForeignKey(
        Membership, on_delete=models.CASCADE, related_name="threads", verbose_name=_("student")
    )
    title = models.CharField(max_length=120, blank=True)
    started_at = models.DateTimeField()
    last_at = models.DateTimeField()

    objects = ThreadQuerySet.as_manager()

    class Meta:
        verbose_name = _("conversation")
        ordering = ("-last_at", "-id")
        indexes = (
            models.Index(fields=("course", "last_at"), name="threads_of_a_course"),
            models.Index(fields=("membership", "last_at"), name="threads_of_a_student"),
        )

    def __str__(self) -> str:
        return title_of(self.title) or f"Conversation {self.pk}"

    @property
    def audit_label(self) -> str:
        """Without the title, which is what the student asked."""
        return f"Conversation {self.pk} of {self.membership}"


class Exchange(models.Model):
    """The place of a call in its conversation. `tail` is the digest of the history up to and including its answer."""

    call = models.OneToOneField(Call, on_delete=models.CASCADE, primary_key=True, related_name="exchange")
    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="exchanges")
    tail = models.CharField(max_length=32, blank=True, db_index=True)

    def __str__(self) -> str:
        return f"{self.call_id} in {self.thread_id}"


class Turn(models.Model):
    """A piece of text in a call, in order. A long answer has several pieces with the same role."""

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="turns")
    seq = models.PositiveIntegerField()
    message = models.PositiveIntegerField(null=True, help_text=_("Position in the request; empty for the answer."))
    role = models.CharField(max_length=20)
    text = models.TextField()

    class Meta:
        ordering = ("call", "seq")
        constraints = (models.UniqueConstraint(fields=("call", "seq"), name="one_turn_per_call_and_seq"),)

    def __str__(self) -> str:
        return f"{self.role}: {self.text[:40]}"


class SearchDocument(models.Model):
    """A piece of text in the index of words. The words themselves are where `search/index.py` puts them."""

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="search_documents", db_index=False)
    seq = models.PositiveIntegerField(help_text=_("Of the first turn in it."))

    class Meta:
        constraints = (models.UniqueConstraint(fields=("call", "seq"), name="one_document_per_call_and_seq"),)

    def __str__(self) -> str:
        return f"{self.call_id} from {self.seq}"


class SearchProgress(models.Model):
    """How far the index of words has been filled with old text: down to the call `before`, or empty for all of it."""

    before = models.CharField(max_length=32, blank=True)

    def __str__(self) -> str:
        return self.before or "all"


class DeadLetter(models.Model):
    """A spooled record that the database refused. It stays until somebody replays or discards it."""

    call = models.CharField(_("request ID"), max_length=32)
    record = models.JSONField()
    error = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.call}: {self.error[:60]}"
