"""The forms by which staff decide appeals, and the sentences that say what came of it."""

from collections.abc import Sequence
from typing import NamedTuple

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from unfold.widgets import UnfoldAdminTextareaWidget

from apps.accounts.models import User
from apps.common.admin import is_operator
from apps.common.translation import lazy as _
from apps.conversations import outcomes
from apps.conversations.effects import Effect, effect_of
from apps.conversations.models import Appeal

Outcome = Appeal.Outcome


class Said(NamedTuple):
    """The message about a decision."""

    level: int
    sentence: str


class SharedAnswerForm(forms.Form):
    """One answer to several students."""

    answer = forms.CharField(
        max_length=Appeal.LONGEST,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        label=_("What the students read"),
    )

    def clean_answer(self) -> str:
        return str(self.cleaned_data["answer"]).strip()


class DecisionForm(forms.Form):
    """`texts` has one new exception to the rule per line, and counts only for everyone."""

    answer = forms.CharField(
        required=False,
        max_length=Appeal.LONGEST,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        label=_("What the student reads"),
        help_text=_("Left empty, a plain sentence says what you decided."),
    )
    texts = forms.CharField(
        required=False,
        max_length=5000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        label=_("Words that are fine for everyone"),
        help_text=_("One exception a line. It passes if the rule finds exactly these words, in upper or lower case."),
    )


def owns_rule(request: HttpRequest, appeal: Appeal) -> bool:
    """Only operators may change rules of the institution, exceptions included."""
    return appeal.rule is None or appeal.rule.course_id is not None or is_operator(request)


def effect(appeal: Appeal, texts: Sequence[str]) -> Effect | None:
    """What these words would let pass; None without words or rule."""
    words = outcomes.comparable(texts)
    return effect_of(appeal.rule, words) if appeal.rule and words else None


def decide(request: HttpRequest, appeal: Appeal, outcome: str, *, answer: str, texts: Sequence[str]) -> Said:
    """Take one of the three decisions. Somebody else's stands."""
    by, now = _person(request), timezone.now()
    if appeal.state != Appeal.State.OPEN:
        return _too_late(appeal, by)
    if outcome == Outcome.EVERYONE:
        return _let_pass(request, appeal, answer=answer, texts=texts)
    act = outcomes.refuse if outcome == Outcome.REFUSE else outcomes.let_pass_once
    if not act(appeal, by=by, now=now, answer=answer):
        return _too_late(appeal, by)
    rule = appeal.rule_name or gettext("The rule")
    reads = gettext("{person} reads your answer").format(person=appeal.call.membership.person)
    return Said(
        messages.SUCCESS,
        gettext("{decision}: {reads}. {rule} stays as it is.").format(decision=appeal.decision, reads=reads, rule=rule),
    )


def _let_pass(request: HttpRequest, appeal: Appeal, *, answer: str, texts: Sequence[str]) -> Said:
    by = _person(request)
    if not owns_rule(request, appeal):
        why = gettext("{rule_name} is a rule of the institution: only operators make exceptions to it.").format(
            rule_name=appeal.rule_name
        )
        return Said(messages.ERROR, gettext("Nothing has changed. {why}").format(why=why))
    try:
        made = outcomes.let_pass_for_everyone(appeal, by=by, texts=texts, answer=answer, now=timezone.now())
    except ValidationError as error:
        return Said(
            messages.ERROR, gettext("Nothing has changed. {messages}").format(messages=" ".join(error.messages))
        )
    if made is None:
        return _too_late(appeal, by)
    words = ", ".join(f"“{text}”" for text in made)
    whom = gettext("pass for {appeal}. {person} can send it again.").format(
        appeal=students(effect(appeal, made)), person=appeal.call.membership.person
    )
    return Said(
        messages.SUCCESS,
        gettext("{rule_name} now lets {words} {whom}").format(rule_name=appeal.rule_name, words=words, whom=whom),
    )


def decide_several(request: HttpRequest, chosen: QuerySet[Appeal], outcome: str, *, answer: str) -> list[Said]:
    """Give one answer to all of them that are still open; a rule never changes by this."""
    by, now = _person(request), timezone.now()
    act = outcomes.refuse if outcome == Outcome.REFUSE else outcomes.let_pass_once
    done = [act(appeal, by=by, now=now, answer=answer) for appeal in chosen]
    said = []
    if any(done):
        reads = gettext("1 student reads") if sum(done) == 1 else gettext("{done} students read").format(done=sum(done))
        sentence = gettext("{label}: {reads} your answer. No rule has changed.").format(
            label=Outcome(outcome).label, reads=reads
        )
        said.append(Said(messages.SUCCESS, sentence))
    if not all(done) or not done:
        said.append(Said(messages.WARNING, gettext("What a colleague has decided meanwhile stays as it is.")))
    return said


def students(effect: Effect | None) -> str:
    count = effect.students if effect else 0
    return ngettext("{count} student", "{count} students", count).format(count=count)


def _too_late(appeal: Appeal, by: User) -> Said:
    who = (
        gettext("You have decided this before")
        if appeal.decided_by == by
        else gettext("{decided_by} was faster").format(decided_by=appeal.decided_by or gettext("Somebody"))
    )
    answer = f" “{appeal.answer}”" if appeal.answer else ""
    return Said(
        messages.WARNING,
        gettext("{who}: {decision}.{answer} Nothing has changed.").format(
            who=who, decision=appeal.decision, answer=answer
        ),
    )


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101  # pages of the admin are for people who are signed in
    return request.user
