"""Changes to enforced rules that wait in the session of the person who made them, until they have been looked at."""

from collections.abc import Mapping, MutableMapping
from typing import Any

from apps.common.differences import stored_form
from apps.common.ids import new_id
from apps.rules.models import Rule
from apps.rules.recording import MATCHING

KEY = "rule_edits"
MOST = 5  # in one session; older ones are dropped
ACTING = (*MATCHING, "action")  # the fields that decide on which calls an enforced rule acts, and how


def must_be_shown(rule: Rule) -> bool:
    """Whether saving the rule as it is in this object would change at once what is done to calls."""
    return rule.stage == Rule.Stage.ENFORCE and not set(ACTING).isdisjoint(rule.changed_fields())


def hold(session: MutableMapping[str, Any], rule: Rule) -> str:
    """Keep the rule's unsaved changes. Returns the number by which they are found again."""
    number = new_id()
    fields = stored_form({name: getattr(rule, name) for name in rule.changed_fields()})
    others = list(session.get(KEY, {}).items())[-MOST + 1 :]
    session[KEY] = {**dict(others), number: {"rule": rule.pk, "fields": fields}}
    return number


def held(session: Mapping[str, Any], rule: Rule, number: str) -> dict[str, Any] | None:
    """The changed fields of this rule; None if no such change waits in this session."""
    edit = session.get(KEY, {}).get(number)
    return edit["fields"] if edit and edit["rule"] == rule.pk else None


def forget(session: MutableMapping[str, Any], number: str) -> None:
    session[KEY] = {key: edit for key, edit in session.get(KEY, {}).items() if key != number}
