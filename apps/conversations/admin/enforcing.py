"""The sheet before a rule is enforced: what it would have done in the last week, and the two ways on.

`admin:conversations_rule_enforce`. It changes nothing; its buttons post to the pages of the rule, with the version that
was looked at. It is here because `rules` may not import conversations.
"""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from apps.accounts.audit import record
from apps.accounts.models import Course
from apps.conversations import evidence
from apps.conversations.evidence import Evidence
from apps.rules import edits, stages
from apps.rules.breadth import too_broad
from apps.rules.differences import differences
from apps.rules.models import Rule, RuleVersion
from apps.rules.models.versions import as_stored


def sheet(request: HttpRequest, rule: Rule) -> dict[str, Any] | HttpResponse:
    """What the sheet shows, for the rule as it is, or for the version or the unsaved change in the address."""
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET", "HEAD"])
    looked_at, name, before = rule.version, rule.name, as_stored(rule)
    version, edit = _version(request, rule), _edit(request, rule)
    if version is not None:
        rule.take(version.fields)
    elif edit is not None:
        rule.take(edit)
    found = evidence.look(rule, now=timezone.now())
    _note_reading(rule, found)
    return {
        "title": gettext("Save {name}?").format(name=name)
        if edit is not None
        else gettext("Enforce {name}?").format(name=name),
        "evidence": found,
        "acts": stages.ACTS[rule.action],
        "looked_at": looked_at,
        "version": version,
        "edit": edit,
        "differences": differences(before, as_stored(rule), zone=rule.zone) if edit is not None else [],
        "action": _action(request, rule, version, edit),
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


def _edit(request: HttpRequest, rule: Rule) -> dict[str, Any] | None:
    """The unsaved change that the address names."""
    number = request.GET.get("edit", "")
    if not number:
        return None
    if (found := edits.held(request.session, rule, number)) is None:
        raise Http404
    return found


def _action(request: HttpRequest, rule: Rule, version: RuleVersion | None, edit: object) -> str:
    if edit is not None:
        return reverse("admin:rules_rule_edit", args=[rule.pk, request.GET["edit"]])
    if version is None:
        return reverse("admin:rules_rule_stage", args=[rule.pk])
    return reverse("admin:rules_rule_restore", args=[rule.pk, version.number])


def _silence(rule: Rule) -> str:
    if rule.course is not None and rule.course.logging == Course.Logging.OFF:
        return gettext("This course keeps neither text nor rule hits, so nothing is known about this rule.")
    return gettext(
        "This course keeps no text, so this counts the hits that the rule recorded while it observed or warned."
    )


def _note_reading(rule: Rule, found: Evidence) -> None:
    if found.samples:
        record("samples.read", subject=rule, after={"calls": [sample.call.pk for sample in found.samples]})
