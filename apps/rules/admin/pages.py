"""Admin pages of rules."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from unfold.admin import StackedInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from apps.accounts.models import Course
from apps.accounts.scoping import CourseFilter, CourseScoping
from apps.common.admin import is_operator
from apps.common.display import badge, when
from apps.common.translation import lazy as _
from apps.rules import stages, words
from apps.rules.admin.forms import RuleForm
from apps.rules.admin.lists import RuleList
from apps.rules.admin.workbench import Workbench
from apps.rules.models import Rule, RuleSettings
from apps.rules.sentences import sentence

STAGE_KINDS = {"draft": "", "observe": "info", "warn": "warning", "enforce": "good"}


ACTION_KINDS = {"block": "bad", "redact": "warning"}
STUDENTS_SEE = _("Students read the message, and never see the words or the pattern.")

THEN = (
    _("What happens"),
    {"fields": (("action", "direction"), "message", "guidance", "replacement"), "description": STUDENTS_SEE},
)
BUILDER = ("words", "together", ("whole", "ignore_case"))
EXAMPLES = ("examples_match", "examples_no_match")
CHECKED = _("Examples are checked whenever the rule is saved.")
WEEKLY = ("weekdays", ("from_time", "until_time"))
SCHEDULE = (
    _("When"),
    {
        "fields": ("assignment", "starts_at", "ends_at", *WEEKLY),
        "classes": ("collapse",),
        "description": _("Leave empty what does not limit it. All times are those of the course’s clock."),
    },
)


def _finding(pattern: str, *more: str) -> tuple[tuple[str, dict[str, Any]], ...]:
    """What is looked for: words, with the pattern folded, or a pattern that words cannot say, with the words folded."""
    folded, seldom = ("collapse",), ("checksum", "name", "priority", *more)
    if not pattern or words.read(pattern) is not None:
        advanced = {
            "fields": ("pattern", *seldom),
            "classes": folded,
            "description": gettext("The words above write the pattern."),
        }
        return (
            (gettext("What it finds"), {"fields": (*BUILDER, EXAMPLES), "description": CHECKED}),
            (gettext("Advanced: pattern, short name, priority"), advanced),
        )
    return (
        (gettext("What it finds"), {"fields": ("pattern", EXAMPLES), "description": CHECKED}),
        (gettext("Words or phrases instead of the pattern"), {"fields": BUILDER, "classes": folded}),
        (gettext("Advanced: short name, priority"), {"fields": seldom, "classes": folded}),
    )


@admin.register(Rule)
class RuleAdmin(RuleList, Workbench):
    form = RuleForm
    empty_text = _(
        "Start from a ready rule, above, or write one: a pattern, and the sentence that students read when it blocks."
    )
    list_display = ("shown_title", "place", "shown_stage", "week_hits", "week_students", "needs")
    list_filter = (CourseFilter, ("action", ChoicesDropdownFilter), ("stage", ChoicesDropdownFilter))
    list_select_related = ("course",)
    search_fields = ("title", "name", "why", "pattern", "message", "guidance")
    search_help_text = _("Title, purpose, pattern or message")
    add_words = _("New rule")
    autocomplete_fields = ("course",)
    actions = ("enforce", "observe", "switch_off", "copy")
    readonly_fields = ("updated",)
    conditional_fields = {
        "message": "action != 'guide'",
        "guidance": "action == 'guide'",
        "replacement": "action == 'redact'",
    }
    list_before_template = "admin/rules/rule/list_head.html"
    change_form_outer_before_template = "admin/rules/rule/head.html"
    change_form_outer_after_template = "admin/rules/rule/foot.html"

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> Any:
        """Rules are written one at a time, and read again once they are saved."""
        return super().render_change_form(
            request, {**context, "show_save_and_add_another": False, "show_save_and_continue": False}, *args, **options
        )

    def response_add(self, request: HttpRequest, obj: Rule, post_url_continue: str | None = None) -> Any:
        response = super().response_add(request, obj, post_url_continue)
        self.message_user(
            request,
            gettext("{name} is a draft, which does nothing. Open it to try it, and let it observe.").format(
                name=obj.name
            ),
            messages.INFO,
        )
        return response

    def get_changeform_initial_data(self, request: HttpRequest) -> Any:
        """Preselects the course of a person who has only one."""
        courses = list(Course.objects.for_instructor(request.user)[:2])
        own = {"course": courses[0].pk} if len(courses) == 1 and not is_operator(request) else {}
        return own | super().get_changeform_initial_data(request)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """A new rule is a draft without a schedule, as times depend on the time zone of its course.

        The pattern is folded if the words say it; people who may only read see the pattern alone.
        """
        first = (None, {"fields": ("title", "course", "why")})
        if obj is None:
            return (first, THEN, *_finding(request.GET.get("pattern", "")))
        if not self.has_change_permission(request, obj):
            found = (gettext("What it finds"), {"fields": ("pattern", "checksum", EXAMPLES)})
            return (first, THEN, found, SCHEDULE, (gettext("More"), {"fields": ("name", "priority", "updated")}))
        finds, *folded = _finding(obj.pattern, "updated")
        return (first, THEN, finds, SCHEDULE, *folded)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Only operators may leave the course empty."""
        field = super().formfield_for_foreignkey(db_field, request, **options)
        if db_field.remote_field.model is Course:
            field.required = not is_operator(request)
        return field

    @admin.display(description=_("course"), ordering="course")
    def place(self, rule: Rule) -> Any:
        return (
            str(rule.course)
            if rule.course
            else badge(gettext("institution"), "info", gettext("In force in every course"))
        )

    @admin.display(description=_("rule"), ordering="title")
    def shown_title(self, rule: Rule) -> SafeString:
        """The title, and what the rule does in a sentence. Its stage has a column of its own."""
        does = sentence(rule, zone=rule.zone, with_stage=False)
        return format_html(
            '<span dir="auto">{}</span><small class="stoa-sub stoa-sentence">{}</small>', rule.shown_title, does
        )

    @admin.display(description=_("stage"), ordering="stage")
    def shown_stage(self, rule: Rule) -> SafeString:
        """The stage with what limits the rule, so that an expired rule does not look active."""
        stage = badge(rule.stage, STAGE_KINDS[rule.stage], rule.get_stage_display())
        limits = stages.limits(rule, now=timezone.now()) if rule.stage != Rule.Stage.DRAFT else []
        return format_html('{}<small class="stoa-sub">{}</small>', stage, " ".join(limits)) if limits else stage

    @admin.display(description=_("changed"), ordering="updated_at")
    def updated(self, rule: Rule) -> str:
        return when(rule.updated_at)

    @admin.action(description=_("Enforce"), permissions=("change",))
    def enforce(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Enforces nothing by itself: each rule is looked at on a sheet of its own."""
        return self.look_first(request, self._chosen(request, queryset))

    @admin.action(description=_("Observe only"), permissions=("change",))
    def observe(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._move(request, self._chosen(request, queryset), Rule.Stage.OBSERVE)

    @admin.action(description=_("Switch off (draft)"), permissions=("change",))
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._move(request, self._chosen(request, queryset), Rule.Stage.DRAFT)

    @admin.action(description=_("Copy to another course or term"), permissions=("change",))
    def copy(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        return self.copy_page(request, Rule.objects.filter(pk__in=queryset.values("pk")).select_related("course"))

    def _chosen(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        return Rule.objects.filter(pk__in=self.changeable(request, queryset).values("pk"))

    def _move(self, request: HttpRequest, rules: QuerySet[Any], stage: Rule.Stage) -> None:
        drafts = list(rules.filter(stage=Rule.Stage.DRAFT)) if stage != Rule.Stage.DRAFT else []
        moved = Rule.objects.filter(pk__in=rules.values("pk")).move(stage, by=request.user)
        does = {Rule.Stage.OBSERVE: gettext("now observe"), Rule.Stage.DRAFT: gettext("are switched off")}[stage]
        self.message_user(
            request,
            ngettext("{moved} rule: {does}.", "{moved} rules: {does}.", moved).format(moved=moved, does=does),
            messages.SUCCESS,
        )
        self.begins(request, *drafts)


class RuleSettingsInline(CourseScoping, StackedInline):
    """What happens to calls when a course's rules cannot be checked."""

    model = RuleSettings
    fields = ("on_failure", "tells_in_answers")
    extra = 1  # shown at once; nothing is stored until it is changed
    max_num = 1
    tab = True
    verbose_name_plural = _("rule settings")
