"""Takes out of a request what the course's rules redact. Pure.

Whatever reaches a provider, a disk or a log after this comes from the redacted body.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.chat.dialects.fields import Field
from apps.rules.cuts import Cut, cuts, redacted
from apps.rules.rulebook import CompiledRule, Hit


@dataclass(frozen=True, slots=True)
class Redacted:
    """The redacted body, what was cut out of which field, and the rules that could not be applied.

    Where a rule could not be applied, the whole text is removed: such a body is for the record, and must not be sent.
    """

    body: dict[str, Any]
    cuts: Mapping[int, Sequence[Cut]]
    stuck: tuple[CompiledRule, ...] = ()


def redact(body: dict[str, Any], fields: Sequence[Field], hits: Sequence[Hit]) -> Redacted:
    """Cut out the hits of rules that redact. The part of a hit is the number of its field."""
    by_field: dict[int, list[Hit]] = defaultdict(list)
    for hit in hits:
        if hit.rule.redacts:
            by_field[hit.part].append(hit)
    if not by_field:
        return Redacted(body, {})
    cut, stuck, changes = {}, {}, _Changes()
    for number, found in by_field.items():
        field = fields[number]
        made = _fitting(field, cuts(found))
        if made is None:
            made = [Cut(0, len(field.text), found[0].rule.replacement)]
            stuck.update({hit.rule.id: hit.rule for hit in found})
        cut[number] = made
        changes.note(field, redacted(field.text, made))
    return Redacted(changes.made(body), cut, tuple(stuck.values()))


def _fitting(field: Field, made: list[Cut]) -> list[Cut] | None:
    """The cuts as they can be made in this field. None if the field would no longer be what it was."""
    if field.is_fixed:
        return None
    if not field.is_json:
        return made
    escaped = [Cut(one.start, one.end, json.dumps(one.replacement)[1:-1]) for one in made]
    return escaped if _is_json(redacted(field.text, escaped)) or not _is_json(field.text) else None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


class _Changes:
    """New texts by their paths, applied all at once. Values that do not change are shared with the original."""

    def __init__(self) -> None:
        self._root: dict[str | int, Any] = {}

    def note(self, field: Field, text: str) -> None:
        node = self._root
        for step in field.path[:-1]:
            node = node.setdefault(step, {})
            if not isinstance(node, dict):
                return  # a parent is replaced already
        # The name of a property has the path of its value, and both are replaced.
        if not isinstance(node.get(field.path[-1]), _Renamed):
            node[field.path[-1]] = _Renamed(text) if field.is_fixed else text

    def made(self, body: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = _changed(body, self._root)
        return made


@dataclass(frozen=True, slots=True)
class _Renamed:
    text: str


def _changed(value: Any, changes: Any) -> Any:
    if isinstance(changes, str):
        return changes
    if isinstance(changes, _Renamed):
        return changes.text
    if isinstance(value, list):
        return [_changed(child, changes[n]) if n in changes else child for n, child in enumerate(value)]
    return dict(_property(key, child, changes.get(key)) for key, child in value.items())


def _property(key: str, child: Any, change: Any) -> tuple[str, Any]:
    if isinstance(change, _Renamed):
        return change.text, change.text
    return key, child if change is None else _changed(child, change)
