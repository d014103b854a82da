"""The form of a course's settings: few fields, in the words of the page."""

from collections.abc import Iterable
from typing import Any, ClassVar
from zoneinfo import available_timezones

from django import forms
from django.db.models import Q
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from apps.accounts.admin.departments import SHORT_NAME
from apps.accounts.models import Course
from apps.common.admin import is_operator
from apps.common.translation import lazy as _
from apps.providers.models import CourseModel, Model
from apps.quotas.models import QuotaPolicy
from gateway_project.site.allowance_forms import DEFAULT_TOKENS

ZONES = sorted(
    name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "posix/", "right/"))
)
RECORD = (
    ("full", _("Yes: who, when, how much, and the text")),
    ("metadata", _("Only figures: no text")),
    ("off", _("No")),
)


class OurTemplate(forms.Widget):
    """Drawn with a template of the project, where Django's own widgets have theirs in Django."""

    def _render(self, template_name: str, context: dict[str, Any], renderer: Any = None) -> SafeString:
        return mark_safe(render_to_string(template_name, context))  # noqa: S308  # the template escapes


class ZoneInput(OurTemplate, UnfoldAdminTextInputWidget):
    """A field with a list of all time zones to search in."""

    template_name = "admin/course/zone.html"

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, {**(attrs or {}), "list": f"{name}-zones"})
        return {**context, "zones": ZONES, "list": f"{name}-zones"}


def zone_named(text: str) -> str:
    """The time zone that somebody means who writes only its city; else what was written."""
    wanted = text.strip().replace(" ", "_").casefold()
    found = [name for name in ZONES if name.casefold() == wanted or name.casefold().endswith(f"/{wanted}")]
    return found[0] if len(found) == 1 else text.strip()


def models_for(request: HttpRequest, course: Course | None) -> Any:
    """The models that may be ticked; others are nobody's business here."""
    if is_operator(request):
        return Model.objects.order_by("name")
    courses = [] if course is None else [course.pk]  # what is for named courses is not for one that has no name yet
    here = Model.objects.filter(allowed_in__course__in=courses).order_by().values("pk")
    offered = Model.objects.offered_to(courses).order_by().values("pk")
    return Model.objects.filter(Q(pk__in=here) | Q(pk__in=offered)).order_by("name")


def on_request(offered: Iterable[int]) -> str:
    """Names of models that an operator could offer to the course."""
    asked = Model.objects.filter(offered_to=Model.OfferedTo.REQUEST, is_enabled=True).exclude(pk__in=offered)
    names = list(asked.order_by("name").values_list("name", flat=True))
    return gettext("Ask your operator for: {names}.").format(names=", ".join(names)) if names else ""


class Ticks(OurTemplate, forms.CheckboxSelectMultiple):
    template_name = "admin/course/ticks.html"


class CourseForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at runtime
    """`request` is set by the page that makes the class of the form."""

    request: HttpRequest

    class Meta:
        labels: ClassVar = {"slug": SHORT_NAME}

    models = forms.ModelMultipleChoiceField(
        queryset=Model.objects.none(), required=False, widget=Ticks, label=_("Models"), help_text=""
    )
    student_weekly_tokens = forms.IntegerField(
        label=_("Each student, tokens a week"),
        min_value=0,
        max_value=10**15,
        initial=DEFAULT_TOKENS,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("100 000 are about 40 long answers. You can change it on the Allowance page at any time."),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        course = self.instance if self.instance.pk else None
        if "models" in self.fields:
            field: Any = self.fields["models"]
            field.queryset = models_for(self.request, course)
            field.help_text = "" if is_operator(self.request) else on_request([one.pk for one in field.queryset])
            if course is not None:
                self.initial["models"] = list(course.allowed_models.values_list("model", flat=True))
        if "timezone" in self.fields:
            self.fields["timezone"] = forms.CharField(
                label=gettext("Time zone"),
                max_length=60,
                widget=ZoneInput,
                help_text=gettext("Write a city, such as Helsinki. The week turns at midnight there."),
            )
        if "logging" in self.fields:
            self.fields["logging"] = forms.ChoiceField(
                label=gettext("Record text"), choices=RECORD, widget=UnfoldAdminSelectWidget
            )
        if course is not None:
            self.fields.pop("student_weekly_tokens", None)

    def clean_timezone(self) -> str:
        return zone_named(str(self.cleaned_data["timezone"]))

    def save_parts(self, course: Course) -> None:
        """The models that are ticked, and a new course's allowance."""
        if "models" in self.cleaned_data and "models" in self.fields:
            ticked = set(self.cleaned_data["models"])
            for row in course.allowed_models.filter(model__in=self.fields["models"].queryset):  # type: ignore[attr-defined]
                if row.model not in ticked:
                    row.delete()
                ticked.discard(row.model)
            for model in ticked:
                CourseModel.objects.create(course=course, model=model)
        tokens = self.cleaned_data.get("student_weekly_tokens")
        if tokens is not None and not QuotaPolicy.objects.filter(course=course).exists():
            QuotaPolicy.objects.create(course=course, student_weekly_tokens=tokens)
