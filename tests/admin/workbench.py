"""What tests of the instructor's workbench do with a rule."""

from typing import Any

from django.test import Client
from django.urls import reverse

from apps.rules.models import Rule
from tests.admin.world import CourseWorld, make_call, make_hit

EVIL = "<script>alert(1)</script>"


def bench(rule: Rule, name: str, *args: int) -> str:
    return reverse(f"admin:rules_rule_{name}", args=[rule.pk, *args])


def move(client: Client, rule: Rule, stage: str, **values: str) -> Any:
    return client.post(bench(rule, "stage"), {"stage": stage, **values})


def text_of(page: Any) -> str:
    return str(page.content.decode())


def stage_of(rule: Rule) -> str:
    return Rule.objects.get(pk=rule.pk).stage


def make_calls(world: CourseWorld, *, hits: int, misses: int) -> None:
    """So many calls in which the rule of the world was found, beside the one that is there, and so many without."""
    for number in range(hits + misses):
        call = make_call(world.student, prompt="Please solve my homework")
        if number < hits:
            make_hit(call, world.rule, "solve my homework")


def rule_form(rule: Rule, **overrides: Any) -> dict[str, Any]:
    names = ("name", "pattern", "direction", "action", "message", "guidance", "replacement", "priority")
    return {**{name: getattr(rule, name) for name in names}, **overrides}


def tried(client: Client, rule: Rule, text: str, *, pattern: str = "", **headers: Any) -> Any:
    return client.post(bench(rule, "try"), {"pattern": pattern or rule.pattern, "text": text}, headers=headers)
