"""What stops for whom when a row is deleted, for any confirmation: `{% consequences row as stops %}`."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django import template
from django.utils import timezone

from apps.common.display import number

register = template.Library()
WEEK = timedelta(days=7)


@register.simple_tag
def consequences(row: Any) -> list[str]:
    """Sentences about one row; none for rows on which nobody depends."""
    told = _TOLD.get(type(row).__name__)
    return told(row) if told else []


@register.filter
def instead(row: Any) -> str:
    """What to do with a row that cannot be deleted because others refer to it."""
    return _INSTEAD.get(type(row).__name__, "")


def count_of(count: int, noun: str) -> str:
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def _rule(rule: Any) -> list[str]:
    from apps.common.ids import first_id

    recent = rule.hits.filter(call__gte=first_id(timezone.now() - WEEK)).order_by()
    found = recent.values("call").distinct().count()
    refused = recent.filter(stage="enforce", action="block").values("call").distinct().count()
    if rule.stage == "enforce" and rule.action == "block":
        first = (
            f"{count_of(refused, 'refusal')} a week {_s(refused, 'stop')}; what the rule finds is answered from now on."
        )
    else:
        calls = count_of(found, "call")
        first = f"The rule is at {rule.stage}: it found something in {calls} a week, and stops finding it."
    return [first, "Its versions, examples and exceptions are deleted. Calls keep what it found, under its name."]


def _s(count: int, verb: str) -> str:
    return f"{verb}s" if count == 1 else verb


def _key(key: Any) -> list[str]:
    used = f"last used {timezone.localtime(key.last_used_at):%d %B, %H:%M}" if key.last_used_at else "never used"
    return [f"Whatever sends this key is refused within two seconds ({used})."]


def _student(member: Any) -> list[str]:
    keys = member.api_keys.filter(revoked_at=None).count()
    stops = f"{count_of(keys, 'key')} {_s(keys, 'stop')} working"
    return [f"{stops}, and {member.person} cannot ask in {member.course} any more."]


def _course(course: Any) -> list[str]:
    members = course.memberships.filter(is_active=True).count()
    return [
        f"{count_of(members, 'student')} {'loses' if members == 1 else 'lose'} the course, "
        "with its keys, rules and allowance. Close the course to keep them.",
    ]


def _role(allowance: Any) -> list[str]:
    members = allowance.course.memberships.filter(is_active=True, role=allowance.role).count()
    have = "has" if members == 1 else "have"
    return [f"{count_of(members, allowance.role)} {have} the allowance of students from now on."]


def _model(model: Any) -> list[str]:
    courses = model.allowed_in.count()
    return [f"{count_of(courses, 'course')} {_s(courses, 'lose')} this model; calls that name it are refused."]


def _provider(provider: Any) -> list[str]:
    deployments = provider.deployments.count()
    what = f"{count_of(deployments, 'deployment')} {_s(deployments, 'stop')}"
    return [f"{what}: calls go to others, or fail if there are none."]


_TOLD: dict[str, Callable[[Any], list[str]]] = {
    "Rule": _rule,
    "ApiKey": _key,
    "Membership": _student,
    "Course": _course,
    "RoleAllowance": _role,
    "Model": _model,
    "Provider": _provider,
}
_INSTEAD = {
    "Membership": "Deactivate the student instead: the keys stop, and what was asked and answered stays.",
    "Course": "Close the course instead: nobody can ask any more, and everything stays.",
    "User": "Take away the sign-in instead: untick Active on the user’s page.",
    "Provider": "Disable the provider instead.",
    "Model": "Disable the model instead.",
}
