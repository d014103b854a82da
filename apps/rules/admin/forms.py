"""Forms of the instructor's workbench."""

from typing import Any, ClassVar

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from apps.accounts.models import Course, Weekday
from apps.rules.checksums import CHECKSUMS
from apps.rules.models import Rule
from apps.rules.ready_rules import LIBRARY
from apps.rules.trials import LONGEST_TEXT

CHECKED = {
    "card": "Payment card numbers",
    "email": "E-mail addresses of people",
    "hetu": "Finnish personal identity codes",
    "luhn": "Numbers whose last digit is right by Luhn",
    "mod97": "Bank accounts (IBAN)",
    "personnummer": "Swedish personal identity numbers",
    "phone": "Telephone numbers",
    "random": "Random-looking secrets",
    "ssn": "US social security numbers",
}
HOW_TO_WRITE = (
    "Plain words find themselves; (?i) in front of them ignores case: (?i)solve my homework. "
    "What goes beyond that is written as a regular expression, in RE2 syntax."
)
SHORT_NAME = {"invalid": "Use letters, digits, hyphens and underscores, and no spaces."}
WEEKDAYS = [(str(day.number), day.label) for day in Weekday]


class PatternField(forms.CharField):
    """A box large enough for a long pattern. Line breaks in it mean nothing."""

    def __init__(self, **options: Any) -> None:
        box = UnfoldAdminTextareaWidget(attrs={"rows": 2, "class": "stoa-pattern", "spellcheck": "false"})
        super().__init__(max_length=Rule._meta.get_field("pattern").max_length, widget=box, **options)

    def to_python(self, value: Any) -> str:
        return "".join((super().to_python(value) or "").splitlines())


class WeekdaysField(forms.MultipleChoiceField):
    """Checkboxes of weekdays, stored as digits."""

    def __init__(self, **options: Any) -> None:
        boxes = forms.CheckboxSelectMultiple(attrs={"class": "stoa-days"})
        super().__init__(choices=WEEKDAYS, widget=boxes, required=False, **options)

    def prepare_value(self, value: Any) -> list[str]:
        return list(value or ())

    def clean(self, value: Any) -> str:
        return "".join(sorted(super().clean(value)))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return "".join(initial or ()) != "".join(sorted(data or ()))


class RuleForm(forms.ModelForm):  # type: ignore[type-arg]
    pattern = PatternField(help_text=HOW_TO_WRITE)
    weekdays = WeekdaysField(label="Days", help_text="None ticked: every day.")
    checksum = forms.ChoiceField(
        choices=[("", "Everything that the pattern finds"), *((name, CHECKED.get(name, name)) for name in CHECKSUMS)],
        required=False,
        widget=UnfoldAdminSelectWidget,
        label="Counts",
        help_text="Of what the pattern finds, only what is one of these, judged by check digits where they exist.",
    )

    class Meta:
        model = Rule
        fields = "__all__"
        error_messages: ClassVar = {"name": SHORT_NAME, "assignment": SHORT_NAME}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name in ("message", "guidance", "examples_match", "examples_no_match"):
            if name in self.fields:
                self.fields[name].widget.attrs["rows"] = 4

    def clean(self) -> Any:
        cleaned, seen = super().clean(), self.data.get("seen", "")[:9]
        # `seen` is the version that the page showed. Nobody overwrites later changes of others unawares.
        if self.instance.pk is None or not seen.isdecimal() or int(seen) >= self.instance.version:
            return cleaned
        changed = self.instance.changed_since(int(seen))
        for name in [name for name in self.changed_data if name in changed]:
            self.add_error(
                name,
                f"This has been changed since you opened the page, in a version after {seen}: see below. "
                "Save again to put yours in its place.",
            )
        return cleaned

    def clean_name(self) -> str:
        """Checks a new rule of the institution, which `Rule.clean` cannot tell from one whose course is not set yet."""
        name = str(self.cleaned_data["name"])
        is_new = self.instance.pk is None and self.cleaned_data.get("course", self) is None
        if is_new and Rule.objects.filter(course=None, name=name).exists():
            raise forms.ValidationError(f"The institution already has a rule called {name}.")
        return name


class TryForm(forms.Form):
    """A pattern and a text to try. Stores nothing."""

    pattern = PatternField(help_text=HOW_TO_WRITE)
    text = forms.CharField(
        max_length=LONGEST_TEXT,
        strip=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 8, "autofocus": True}),
        label="Text to look through",
        help_text=f"Paste what a student might send: up to {LONGEST_TEXT:,} characters. It is not stored.",
    )

    def __init__(self, *args: Any, is_stored: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        if is_stored:
            self.fields["pattern"].help_text = "Change it here as you like; the rule itself stays as it is."

    def clean_text(self) -> str:
        # Forms end lines with CRLF, students' clients with LF.
        return str(self.cleaned_data["text"]).replace("\r\n", "\n")


class AddForm(forms.Form):
    """One ready rule, and the course to add it to."""

    rule = forms.TypedChoiceField(
        choices=[(ready.slug, ready.title) for ready in LIBRARY],
        coerce={ready.slug: ready for ready in LIBRARY}.__getitem__,
    )
    course = forms.ModelChoiceField(queryset=Course.objects.none())

    def __init__(self, *args: Any, courses: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["course"].queryset = courses  # type: ignore[attr-defined]


class CopyForm(forms.Form):
    """The course to copy rules to, and the stage in which the copies begin."""

    course = forms.ModelChoiceField(queryset=Course.objects.none(), widget=UnfoldAdminSelectWidget, label="Into")
    stage = forms.ChoiceField(
        choices=[(Rule.Stage.OBSERVE.value, "Observe first: other students, other words"), ("same", "The same stage")],
        initial=Rule.Stage.OBSERVE.value,
        widget=UnfoldAdminSelectWidget,
        label="There they begin with",
    )

    def __init__(self, *args: Any, courses: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["course"].queryset = courses  # type: ignore[attr-defined]
