"""Forms of the instructor's workbench."""

from typing import Any, ClassVar

from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldBooleanWidget

from apps.accounts.models import Course, Weekday
from apps.common.translation import lazy as _
from apps.rules import words
from apps.rules.checksum_names import NAMES
from apps.rules.checksums import CHECKSUMS
from apps.rules.examples import LONGEST_LINE
from apps.rules.models import Rule
from apps.rules.ready_rules import LIBRARY
from apps.rules.trials import LONGEST_TEXT
from apps.rules.words import Phrases

HOW_TO_WRITE = _("A regular expression in RE2 syntax. Plain words find themselves; (?i) in front of them ignores case.")
SHORT_NAME = {"invalid": _("Use letters, digits, hyphens and underscores, and no spaces.")}
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
    pattern = PatternField(required=False, help_text=HOW_TO_WRITE)
    weekdays = WeekdaysField(label=_("Days"), help_text=_("None ticked: every day."))
    checksum = forms.ChoiceField(
        choices=[
            ("", _("Everything that the pattern finds")),
            *((name, format_lazy(_("Only {what}"), what=NAMES[name])) for name in CHECKSUMS),
        ],
        required=False,
        widget=UnfoldAdminSelectWidget,
        label=_("Of what the pattern finds, act on"),
        help_text=_("Check digits and the like tell a card number from any other long number."),
    )
    words = forms.CharField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        label=_("Words or phrases"),
        help_text=_("One a line. Stoa writes the pattern from them."),
    )
    together = forms.ChoiceField(
        choices=[("", _("Any of these")), ("yes", _("All of these in one message, in any order"))],
        required=False,
        widget=UnfoldAdminSelectWidget,
        label=_("Find"),
    )
    whole = forms.BooleanField(required=False, initial=True, widget=UnfoldBooleanWidget, label=_("Whole words only"))
    ignore_case = forms.BooleanField(required=False, initial=True, widget=UnfoldBooleanWidget, label=_("Ignore case"))

    class Meta:
        model = Rule
        fields = "__all__"
        labels: ClassVar = {"name": _("Short name")}
        error_messages: ClassVar = {"name": SHORT_NAME, "assignment": SHORT_NAME}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name in ("why", "message", "guidance", "examples_match", "examples_no_match"):
            if name in self.fields:
                self.fields[name].widget.attrs["rows"] = 2 if name in ("why", "message") else 3
        if "name" in self.fields:
            self.fields["name"].required = False
        self._written = words.read(str(self.get_initial_for_field(self.fields["pattern"], "pattern") or ""))
        if self._written is not None:
            self.initial.update(_boxes(self._written))

    def clean(self) -> Any:
        cleaned = super().clean()
        self._settle_pattern()
        self._settle_name()
        return self._noticed(cleaned)

    def _settle_pattern(self) -> None:
        """The pattern is written from the words, unless it was changed itself."""
        pattern, given = self.cleaned_data.get("pattern", ""), self._given_words()
        if given is not None and (mistake := words.complaint(given)):
            return self.add_error("words", mistake)
        if given is not None and pattern != (written := words.write(given)):
            if "pattern" in self.changed_data and pattern and given != self._written:
                return self.add_error(
                    "pattern", gettext("You changed both the words and the pattern. Leave one as it was.")
                )
            pattern = pattern if "pattern" in self.changed_data and pattern else written
        cleared = given is None and self._written is not None and self.add_prefix("words") in self.data
        if not pattern or (cleared and "pattern" not in self.changed_data):
            return self.add_error(
                "words" if "words" in self.data else "pattern", gettext("Write the words to look for.")
            )
        self.cleaned_data["pattern"] = pattern
        if pattern != self.instance.pattern and "pattern" not in self.changed_data:
            self.changed_data.append("pattern")
        return None

    def _given_words(self) -> Phrases | None:
        """The words in the form; None if there are none."""
        phrases = words.lines(self.cleaned_data.get("words", ""))
        together, whole = bool(self.cleaned_data.get("together")), bool(self.cleaned_data.get("whole"))
        return Phrases(phrases, together, whole, bool(self.cleaned_data.get("ignore_case"))) if phrases else None

    def _settle_name(self) -> None:
        """A rule without a short name gets one from its title, unlike any other in its course."""
        if self.cleaned_data.get("name") or "name" in self.errors:
            return
        if not (title := self.cleaned_data.get("title", "").strip()):
            return self.add_error("title", gettext("Give the rule a title."))
        self.cleaned_data["name"] = Rule.free_name(title, course=self.cleaned_data.get("course", self.instance.course))

    def _noticed(self, cleaned: Any) -> Any:
        seen = self.data.get("seen", "")[:9]
        # `seen` is the version that the page showed. Nobody overwrites later changes of others unawares.
        if self.instance.pk is None or not seen.isdecimal() or int(seen) >= self.instance.version:
            return cleaned
        changed = self.instance.changed_since(int(seen))
        for name in [name for name in self.changed_data if name in changed]:
            self.add_error(
                name,
                gettext(
                    "This has been changed since you opened the page, in a version after {seen}: see below. "
                    "Save again to put yours in its place."
                ).format(seen=seen),
            )
        return cleaned

    def clean_name(self) -> str:
        """Checks a new rule of the institution, which `Rule.clean` cannot tell from one whose course is not set yet."""
        name = str(self.cleaned_data["name"] or "")
        is_new = self.instance.pk is None and self.cleaned_data.get("course", self) is None
        if is_new and Rule.objects.filter(course=None, name=name).exists():
            raise forms.ValidationError(gettext("The institution already has a rule called {name}.").format(name=name))
        return name


def _boxes(written: Phrases) -> dict[str, Any]:
    """The fields of the form that show these words."""
    return {
        "words": "\n".join(written.phrases),
        "together": "yes" if written.are_together else "",
        "whole": written.is_whole,
        "ignore_case": written.ignores_case,
    }


class TryForm(forms.Form):
    """A pattern and a text to try. Stores nothing."""

    text = forms.CharField(
        max_length=LONGEST_TEXT,
        strip=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 8, "autofocus": True, "dir": "auto"}),
        label=_("Text to look through"),
        help_text=format_lazy(
            _("Paste what a student might send: up to {most} characters. It is not stored."), most=f"{LONGEST_TEXT:,}"
        ),
    )
    each_line = forms.BooleanField(
        required=False, widget=UnfoldBooleanWidget, label=_("Each line is a text of its own")
    )
    others = forms.BooleanField(
        required=False, widget=UnfoldBooleanWidget, label=_("Also try the other enforced rules of the course")
    )
    pattern = PatternField(help_text=HOW_TO_WRITE)

    def __init__(self, *args: Any, is_new: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        if not is_new:
            self.fields["pattern"].help_text = gettext("Change it here as you like; the rule itself stays as it is.")

    def clean_text(self) -> str:
        # Forms end lines with CRLF, students' clients with LF.
        return str(self.cleaned_data["text"]).replace("\r\n", "\n")


class ExampleForm(forms.Form):
    """A text that was tried, and the examples to which it is added."""

    text = forms.CharField(max_length=LONGEST_LINE)
    field = forms.ChoiceField(
        choices=[("examples_match", _("must be found")), ("examples_no_match", _("must not be found"))]
    )


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

    course = forms.ModelChoiceField(queryset=Course.objects.none(), widget=UnfoldAdminSelectWidget, label=_("Into"))
    stage = forms.ChoiceField(
        choices=[
            (Rule.Stage.OBSERVE.value, _("Observe first: other students, other words")),
            (Rule.Stage.DRAFT.value, _("Draft: do nothing yet")),
            ("same", _("The same stage; enforced rules observe until you have seen their effect")),
        ],
        initial=Rule.Stage.OBSERVE.value,
        widget=UnfoldAdminSelectWidget,
        label=_("There they begin with"),
    )

    def __init__(self, *args: Any, courses: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["course"].queryset = courses  # type: ignore[attr-defined]
