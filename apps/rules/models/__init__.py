"""The tables of rules."""

from apps.rules.models.exemptions import RuleException
from apps.rules.models.querysets import RuleQuerySet
from apps.rules.models.rules import DEFAULT_REPLACEMENT, TOPIC, Rule
from apps.rules.models.settings import RuleSettings
from apps.rules.models.versions import VERSIONED, RuleVersion

__all__ = [
    "DEFAULT_REPLACEMENT",
    "TOPIC",
    "VERSIONED",
    "Rule",
    "RuleException",
    "RuleQuerySet",
    "RuleSettings",
    "RuleVersion",
]
