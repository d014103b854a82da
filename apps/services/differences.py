"""The differences between two versions of a service, in plain words. Pure.

The values of headers and parameters that a service gets may be secret, so they are told by name only.
"""

import json
from collections.abc import Mapping
from typing import Any

from apps.common.differences import Difference, summarized

Document = Mapping[str, Any]  # a service as a version keeps it

HIDDEN = frozenset({"set_request_headers", "set_query"})
LABELS = {"is_enabled": "enabled", "release": "version", "docs_url": "documentation"}


def differences(before: Document | None, after: Document) -> list[Difference]:
    """The fields that changed, in the order of `after`, then the instances. Empty without `before`."""
    if before is None:
        return []
    fields = [
        _difference(name, before.get(name), value)
        for name, value in after.items()
        if name != "instances" and before.get(name) != value
    ]
    return [*fields, *_of_instances(_by_url(before), _by_url(after))]


def summary(before: Document | None, after: Document) -> str:
    """What changed, in one line."""
    return "made" if before is None else summarized(differences(before, after))


def _difference(name: str, before: Any, after: Any) -> Difference:
    label = LABELS.get(name, name.replace("_", " "))
    if name in HIDDEN:
        return Difference(label, _named(before), _named(after, before))
    return Difference(label, _words(before), _words(after))


def _named(values: Any, before: Any = None) -> str:
    """The names alone, with those whose value changed marked."""
    before = before or {}
    return ", ".join(
        f"{name} (another value)" if name in before and before[name] != value else name
        for name, value in (values or {}).items()
    )


def _words(value: Any) -> str:
    """A stored value as people write it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    if isinstance(value, dict) and any(not isinstance(one, str) for one in value.values()):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        return ", ".join(f"{name}: {one}" for name, one in value.items())
    return str(value)


# Instances


def _by_url(document: Document) -> dict[str, dict[str, Any]]:
    return {instance["url"]: instance for instance in document.get("instances", ())}


def _of_instances(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    gone = [Difference("instance", _described(one), "") for url, one in before.items() if url not in after]
    new = [Difference("instance", "", _described(one)) for url, one in after.items() if url not in before]
    changed = [
        Difference(f"instance {url}", _settings(before[url]), _settings(one))
        for url, one in after.items()
        if url in before and before[url] != one
    ]
    return [*gone, *new, *changed]


def _described(instance: Mapping[str, Any]) -> str:
    return f"{instance['url']}, {_settings(instance)}"


def _settings(instance: Mapping[str, Any]) -> str:
    parts = [f"weight {instance.get('weight', 1)}"]
    parts += ["draining"] if instance.get("is_draining") else []
    parts += [f"forced {instance['force']}"] if instance.get("force") else []
    return ", ".join(parts)
