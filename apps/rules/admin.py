"""Rules: what may be said, and what happens then."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import StackedInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from apps.accounts.scoping import CourseFilter, CourseScoped, CourseScoping
from apps.common.display import badge, moment, number
from apps.rules.models import Rule

STAGE_KINDS = {"draft": "", "observe": "info", "warn": "warning", "enforce": "good"}


@admin.register(Rule)
class RuleAdmin(CourseScoped):
    empty_text = "Write a rule: a pattern, and the sentence that students read when it blocks. Let it observe first."
    list_display = ("name", "course", "does", "shown_stage", "shown_pattern", "hit_count", "updated")
    list_filter = (CourseFilter, ("action", ChoicesDropdownFilter), ("stage", ChoicesDropdownFilter))
    list_select_related = ("course",)
    search_fields = ("name", "pattern", "message", "guidance")
    search_help_text = "Name, pattern or message"
    autocomplete_fields = ("course",)
    actions = ("enforce", "observe", "switch_off")
    readonly_fields = ("hits", "updated")
    fieldsets = (
        (None, {"fields": ("course", "name", ("stage", "action"), "priority")}),
        (
            "Finds",
            {
                "fields": ("pattern", "direction"),
                "description": "Every message of a request is searched, on all roles.",
            },
        ),
        (
            "Then",
            {
                "fields": ("message", "guidance"),
                "description": "A blocking rule needs the message, a guiding rule the guidance. "
                "Students never see the pattern.",
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(hit_total=Count("hits"))

    def save_model(self, request: HttpRequest, obj: Rule, form: Any, change: bool) -> None:
        obj.signed(by=request.user).save()

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        return fieldsets if obj is None else (*fieldsets, ("So far", {"fields": ("hits", "updated")}))

    @admin.display(description="action", ordering="action")
    def does(self, rule: Rule) -> SafeString:
        return badge(rule.action, "bad" if rule.action == Rule.Action.BLOCK else "info", rule.get_action_display())

    @admin.display(description="stage", ordering="stage")
    def shown_stage(self, rule: Rule) -> SafeString:
        return badge(rule.stage, STAGE_KINDS[rule.stage], rule.get_stage_display())

    @admin.display(description="pattern")
    def shown_pattern(self, rule: Rule) -> SafeString:
        return format_html('<code class="stoa-code" title="{}">{}</code>', rule.pattern, rule.pattern[:60])

    @admin.display(description="hits", ordering="hit_total")
    def hit_count(self, rule: Any) -> str:
        return number(rule.hit_total)

    @admin.display(description="hits")
    def hits(self, rule: Any) -> SafeString:
        calls = reverse("admin:conversations_call_changelist")
        return format_html(
            '{} · <a class="stoa-link" href="{}?rule={}">Show the calls</a>', number(rule.hit_total), calls, rule.pk
        )

    @admin.display(description="changed", ordering="updated_at")
    def updated(self, rule: Rule) -> str:
        return moment(rule.updated_at)

    @admin.action(description="Enforce", permissions=("change",))
    def enforce(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._move(request, queryset, Rule.Stage.ENFORCE)

    @admin.action(description="Observe only", permissions=("change",))
    def observe(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._move(request, queryset, Rule.Stage.OBSERVE)

    @admin.action(description="Switch off (draft)", permissions=("change",))
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._move(request, queryset, Rule.Stage.DRAFT)

    def _move(self, request: HttpRequest, queryset: QuerySet[Any], stage: Rule.Stage) -> None:
        rules = Rule.objects.filter(pk__in=self.changeable(request, queryset).values("pk"))
        self.message_user(
            request, f"{rules.move(stage, by=request.user)} moved to “{stage.label}”. Live within two seconds."
        )


class RuleInline(CourseScoping, StackedInline):
    """The rules of a course, on the course's own page."""

    model = Rule
    fields = ("name", "stage", "action", "pattern", "message", "guidance")
    extra = 0
    tab = True
    collapsible = True
    show_change_link = True
