"""What follows when a person saves a rule, on its own page or on that of its course."""

from collections.abc import Collection

from django.contrib import messages
from django.http import HttpRequest

from apps.rules.breadth import too_broad
from apps.rules.models import Rule
from apps.rules.recording import MATCHING
from apps.rules.signals import rule_begins


def after_saving(request: HttpRequest, rule: Rule, *, changed: Collection[str], is_new: bool) -> None:
    """Replay a rule that is new or found elsewhere than before, and warn of a pattern that is too wide.

    `changed` are its fields that changed, as `Rule.changed_fields` gives them before the rule is saved.
    """
    if is_new or not set(MATCHING).isdisjoint(changed):
        rule_begins.send(Rule, rule=rule, by=request.user)
    if broad := too_broad(rule.pattern, checksum=rule.checksum):
        messages.warning(request, f"{rule.name}: {broad}")
