"""What stops for whom when a row is deleted, for any confirmation: `{% consequences row as stops %}`."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from apps.common.display import number
from apps.common.translation import lazy as _

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


def _rule(rule: Any) -> list[str]:
    from apps.common.ids import first_id

    recent = rule.hits.filter(call__gte=first_id(timezone.now() - WEEK)).order_by()
    found = recent.values("call").distinct().count()
    refused = recent.filter(stage="enforce", action="block").values("call").distinct().count()
    if rule.stage == "enforce" and rule.action == "block":
        first = ngettext(
            "{count} refusal a week stops; what the rule finds is answered from now on.",
            "{count} refusals a week stop; what the rule finds is answered from now on.",
            refused,
        ).format(count=number(refused))
    else:
        first = ngettext(
            "The rule is at {stage}: it found something in {count} call a week, and stops finding it.",
            "The rule is at {stage}: it found something in {count} calls a week, and stops finding it.",
            found,
        ).format(stage=rule.stage, count=number(found))
    return [
        first,
        gettext("Its versions, examples and exceptions are deleted. Calls keep what it found, under its name."),
    ]


def _key(key: Any) -> list[str]:
    used = (
        gettext("last used {last_used_at}").format(last_used_at=f"{timezone.localtime(key.last_used_at):%d %B, %H:%M}")
        if key.last_used_at
        else gettext("never used")
    )
    return [gettext("Whatever sends this key is refused within two seconds ({used}).").format(used=used)]


def _student(member: Any) -> list[str]:
    keys = member.api_keys.filter(revoked_at=None).count()
    said = ngettext(
        "{count} key stops working, and {person} cannot ask in {course} any more.",
        "{count} keys stop working, and {person} cannot ask in {course} any more.",
        keys,
    )
    return [said.format(count=number(keys), person=member.person, course=member.course)]


def _course(course: Any) -> list[str]:
    members = course.memberships.filter(is_active=True).count()
    said = ngettext(
        "{count} student loses the course, with its keys, rules and allowance. Close the course to keep them.",
        "{count} students lose the course, with its keys, rules and allowance. Close the course to keep them.",
        members,
    )
    return [said.format(count=number(members))]


def _role(allowance: Any) -> list[str]:
    members = allowance.course.memberships.filter(is_active=True, role=allowance.role).count()
    said = ngettext(
        "{count} {role} has the allowance of students from now on.",
        "{count} {role}s have the allowance of students from now on.",
        members,
    )
    return [said.format(count=number(members), role=allowance.role)]


def _model(model: Any) -> list[str]:
    courses = model.allowed_in.count()
    said = ngettext(
        "{count} course loses this model; calls that name it are refused.",
        "{count} courses lose this model; calls that name it are refused.",
        courses,
    )
    return [said.format(count=number(courses))]


def _provider(provider: Any) -> list[str]:
    deployments = provider.deployments.count()
    said = ngettext(
        "{count} deployment stops: calls go to others, or fail if there are none.",
        "{count} deployments stop: calls go to others, or fail if there are none.",
        deployments,
    )
    return [said.format(count=number(deployments))]


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
    "Membership": _("Deactivate the student instead: the keys stop, and what was asked and answered stays."),
    "Course": _("Close the course instead: nobody can ask any more, and everything stays."),
    "User": _("Take away the sign-in instead: untick Active on the user’s page."),
    "Provider": _("Disable the provider instead."),
    "Model": _("Disable the model instead."),
}
