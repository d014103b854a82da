"""The forms of the Allowance page, in the words of the page."""

from datetime import datetime
from typing import Any

from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext

from apps.accounts.models import Course
from apps.common.translation import lazy as _
from apps.providers.models import Model
from apps.quotas.admin import forms as quota_forms
from apps.quotas.models import QuotaPolicy, RoleAllowance

RATES = [
    f"{whose}_{limit}"
    for whose in ("student", "course", "key")
    for limit in ("requests_per_minute", "concurrent_requests", "tokens_per_minute")
]
_WORDS = {
    "requests_per_minute": _("requests a minute"),
    "concurrent_requests": _("requests at once"),
    "tokens_per_minute": _("tokens a minute"),
}
EACH: dict[str, Any] = {limit: format_lazy(_("Each, {words}"), words=words) for limit, words in _WORDS.items()}
UNCHANGED = _("Empty: as before, or as students.")
ANSWERS = ["default_output_tokens", "max_output_tokens", "least_output_tokens"]
_WHOSE = {"student": _("Each student"), "course": _("The course"), "key": _("Each key")}


def _styled(form: forms.BaseForm) -> None:
    for field in form.fields.values():
        kind = "stoa-select" if isinstance(field.widget, forms.Select) else "stoa-input"
        field.widget.attrs.setdefault("class", kind)


class EveryoneForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at runtime
    """What the course and each of its students may use."""

    class Meta:
        model = QuotaPolicy
        fields = (
            "student_weekly_tokens",
            "weekly_tokens",
            "late_joiners",
            "after_exhaustion",
            "fallback_model",
            "fallback_student_weekly_tokens",
            *RATES,
            *ANSWERS,
        )
        labels = {
            "student_weekly_tokens": _("Each student, tokens a week"),
            "weekly_tokens": _("The whole course, tokens a week"),
            "late_joiners": _("Who joins during a week gets"),
            "after_exhaustion": _("When a student’s week is used up"),
            "fallback_model": _("The model that answers then"),
            "fallback_student_weekly_tokens": _("Each student, tokens a week of that model"),
            "default_output_tokens": _("Answer limit, if a request names none"),
            "max_output_tokens": _("Answer limit at most"),
            "least_output_tokens": _("Refuse if less than this is left for the answer"),
        }

    def __init__(self, data: Any = None, *, course: Course, now: datetime, **options: Any) -> None:
        policy = QuotaPolicy.objects.filter(course=course).first()
        super().__init__(data, instance=policy or QuotaPolicy(course=course), **options)
        if policy is None:
            self.initial["student_weekly_tokens"] = DEFAULT_TOKENS
        named = self.instance.fallback_model
        names = set(Model.objects.offered_to([course.pk]).values_list("name", flat=True)) | (
            {named} if named else set()
        )
        self.fields["fallback_model"] = forms.ChoiceField(
            label=gettext("The model that answers then"),
            required=False,
            choices=[("", gettext("None")), *((name, name) for name in sorted(names))],
        )
        for name in RATES:
            whose, _, limit = name.partition("_")
            self.fields[name].label = f"{_WHOSE[whose]}, {_WORDS[limit]}"
        _styled(self)

    def main(self) -> list[Any]:
        return [self[name] for name in self.fields if name not in (*RATES, *ANSWERS)]

    def rates(self) -> list[Any]:
        return [self[name] for name in RATES]

    def answers(self) -> list[Any]:
        return [self[name] for name in ANSWERS]


class RoleForm(forms.ModelForm):  # type: ignore[type-arg]
    """What each member of a role has; the same form again changes it."""

    class Meta:
        model = RoleAllowance
        fields = ("role", "weekly_tokens", *EACH)
        labels = {"role": _("For"), "weekly_tokens": _("Tokens a week"), **EACH}
        help_texts = {"weekly_tokens": "", **dict.fromkeys(EACH, UNCHANGED)}

    def __init__(self, data: Any = None, *, course: Course, now: datetime, **options: Any) -> None:
        role = str((data or {}).get("role", ""))
        row = RoleAllowance.objects.filter(course=course, role=role).first() if role else None
        super().__init__(data, instance=row or RoleAllowance(course=course), **options)
        self.fields["weekly_tokens"].required = True
        _styled(self)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        kept = {name: getattr(self.instance, name) for name in EACH if cleaned.get(name) is None}
        return {**cleaned, **kept}


class StudentForm(quota_forms.OverrideForm):
    """An allowance for one student, until a day."""

    field_order = ("student", "weekly_tokens", "ends_at", "reason")
    student: Any = forms.ModelChoiceField(queryset=None, label=_("Student"), empty_label=_("Choose a student"))

    def __init__(self, *args: Any, course: Course, now: datetime, **options: Any) -> None:
        super().__init__(*args, now=now, prefix="student", **options)
        students: Any = self.fields["student"]
        students.queryset = course.memberships.filter(is_active=True).select_related("user").order_by("external_id")
        students.label_from_instance = lambda member: f"{member.external_id} · {member.person}"
        students.widget.attrs["class"] = "stoa-select"


class CourseBoostForm(quota_forms.BoostForm):
    def __init__(self, *args: Any, course: Course, now: datetime, **options: Any) -> None:
        super().__init__(*args, now=now, initial={"starts_at": now}, **options)


DEFAULT_TOKENS = 100_000  # about 40 long answers
