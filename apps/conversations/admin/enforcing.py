"""The sheet before a rule is enforced: what it would have done in the last week, and the two ways on.

`admin:conversations_rule_enforce`. It changes nothing; its buttons post to the pages of the rule, with the version that
was looked at. It is here because `rules` may not import conversations.
"""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import reverse
from django.utils import timezone

from apps.accounts.audit import record
from apps.accounts.models import Course
from apps.conversations import evidence
from apps.conversations.evidence import Evidence
from apps.rules import stages
from apps.rules.breadth import too_broad
from apps.rules.models import Rule, RuleVersion


def sheet(request: HttpRequest, rule: Rule) -> dict[str, Any] | HttpResponse:
    """What the sheet shows, for the rule as it is or for the version in the address."""
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET", "HEAD"])
    looked_at, name = rule.version, rule.name
    version = _version(request, rule)
    if version is not None:
        rule.take(version)
    found = evidence.look(rule, now=timezone.now())
    _note_reading(rule, found)
    return {
        "title": f"Enforce {name}?",
        "evidence": found,
        "acts": stages.ACTS[rule.action],
        "looked_at": looked_at,
        "version": version,
        "action": _action(rule, version),
        "silent": _silence(rule) if found.is_recorded else "",
        "broad": too_broad(rule.pattern, checksum=rule.checksum),
        "days": stages.LOOKS_BACK.days,
    }


def _version(request: HttpRequest, rule: Rule) -> RuleVersion | None:
    number = request.GET.get("version", "")
    if not number:
        return None
    found = RuleVersion.objects.filter(rule=rule.pk, number=int(number) if number[:9].isdecimal() else 0).first()
    if found is None:
        raise Http404
    return found


def _action(rule: Rule, version: RuleVersion | None) -> str:
    if version is None:
        return reverse("admin:rules_rule_stage", args=[rule.pk])
    return reverse("admin:rules_rule_restore", args=[rule.pk, version.number])


def _silence(rule: Rule) -> str:
    if rule.course is not None and rule.course.logging == Course.Logging.OFF:
        return "This course keeps neither text nor rule hits, so nothing is known about this rule."
    return "This course keeps no text, so this counts the hits that the rule recorded while it observed or warned."


def _note_reading(rule: Rule, found: Evidence) -> None:
    if found.samples:
        record("samples.read", subject=rule, after={"calls": [sample.call.pk for sample in found.samples]})
