"""Forms of decisions about allowances. They save nothing: `decisions.py` does."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django import forms
from django.utils.translation import gettext
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from apps.common.translation import lazy as _
from apps.quotas.models import AllowanceRequest
from apps.quotas.models.decisions import EARLIEST, LATEST
from apps.quotas.models.fields import LONGEST_REASON
from apps.quotas.models.requests import MOST_TOKENS as MOST_ASKED

MOST_TOKENS = 10**15


class MomentWidget(UnfoldAdminTextInputWidget):
    """The browser's own input for date and time, in the course's time zone."""

    input_type = "datetime-local"

    def format_value(self, value: Any) -> str | None:
        # Django has already converted the instant to the active time zone, and dropped the zone.
        return value.strftime("%Y-%m-%dT%H:%M") if isinstance(value, datetime) else value


def _tokens(label: str, *, least: int = 1, help_text: str = "") -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        min_value=least,
        max_value=MOST_TOKENS,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=help_text,
    )


class InstantField(forms.DateTimeField):
    """An instant in the active time zone. Refuses years at the ends of the calendar, where it may not exist in UTC."""

    def to_python(self, value: Any) -> datetime | None:
        instant: datetime | None = super().to_python(value)
        if instant is not None and not EARLIEST <= instant.year <= LATEST:
            raise forms.ValidationError(
                gettext("Choose a year from {earliest} to {latest}.").format(earliest=EARLIEST, latest=LATEST)
            )
        return instant


def _instant(label: str, *, required: bool = True, help_text: str = "") -> InstantField:
    return InstantField(label=label, required=required, widget=MomentWidget, help_text=help_text)


class ReasonForm(forms.Form):
    """Every decision has a reason, which the ledger keeps and students can read."""

    def __init__(self, *args: Any, now: datetime, **options: Any) -> None:
        super().__init__(*args, **options)
        self._now = now
        self.fields["reason"] = forms.CharField(
            max_length=LONGEST_REASON,
            widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
            help_text=gettext("Stands in the ledger beside your name. Students read it."),
        )


class OnceForm(ReasonForm):
    """A decision that must not apply twice: sent again by a double click or the back button, it has the same `once`."""

    once = forms.UUIDField(required=False, initial=uuid4, widget=forms.HiddenInput)


class GrantForm(OnceForm):
    tokens = _tokens(
        _("Tokens"), help_text=_("Weighted tokens for each, on top of this week's allowance, this week only.")
    )


class OverrideForm(ReasonForm):
    weekly_tokens = _tokens(
        _("Tokens a week"), least=0, help_text=_("Instead of the course's allowance. Boosts multiply it too.")
    )
    ends_at = _instant(
        _("Until"), required=False, help_text=_("In the course's time zone. Empty: until somebody ends it.")
    )

    def clean_ends_at(self) -> datetime | None:
        until: datetime | None = self.cleaned_data["ends_at"]
        if until is not None and until <= self._now:
            raise forms.ValidationError(gettext("This instant has passed. Choose a later one, or leave it empty."))
        return until


class EndOverrideForm(forms.Form):
    """Has no fields, since the course's allowance applies again."""

    def __init__(self, *args: Any, now: datetime, **options: Any) -> None:
        super().__init__(*args, **options)


class CorrectForm(OnceForm):
    used_delta = forms.IntegerField(
        label=_("Change of what was used"),
        min_value=-MOST_TOKENS,
        max_value=MOST_TOKENS,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("Negative gives back what was charged by mistake; it never falls below nothing."),
    )

    def clean_used_delta(self) -> int:
        delta: int = self.cleaned_data["used_delta"]
        if not delta:
            raise forms.ValidationError(gettext("Zero changes nothing. Write a negative number to refund."))
        return delta


class BoostForm(ReasonForm):
    factor = forms.DecimalField(
        label=_("Times"),
        min_value=Decimal(1),
        max_value=Decimal(100),
        decimal_places=2,
        initial=Decimal(2),
        widget=UnfoldAdminDecimalFieldWidget,
        help_text=_("2 doubles every student's week. Boosts that overlap do not multiply: the largest counts."),
    )
    starts_at = _instant(_("From"))
    ends_at = _instant(_("Until"), help_text=_("In the course's time zone, such as the deadline."))
    multiplies_course = forms.BooleanField(
        label=_("Multiply the whole course's allowance too"),
        required=False,
        initial=True,
        widget=UnfoldBooleanSwitchWidget,
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        starts, ends = cleaned.get("starts_at"), cleaned.get("ends_at")
        if starts and ends and ends <= starts:
            self.add_error("ends_at", gettext("A boost ends after it starts. Choose a later instant."))
        elif ends and ends <= self._now:
            self.add_error("ends_at", gettext("This instant has passed. Choose a later one."))
        return cleaned


class AnswerForm(forms.Form):
    """The answer of staff to a request for more. Without an amount, the student gets what was asked for."""

    tokens = forms.IntegerField(label=_("Tokens to grant"), required=False, min_value=1, max_value=MOST_ASKED)
    answer = forms.CharField(label=_("Answer"), required=False, max_length=AllowanceRequest.LONGEST)

    def __init__(self, *args: Any, asks_amount: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        if not asks_amount:
            del self.fields["tokens"]
