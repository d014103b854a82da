"""What applying a file would change, as values, and how it is shown."""

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from pydantic import SecretStr

from apps.providers.validation import advice_on_address
from apps.rules.breadth import too_broad
from gateway_project.apply.kinds import FILE_NAMES, INSTITUTION_RULE, PROVIDER, RULE, Kind

_PLAIN = re.compile(r"[\w.@:/+-]+")
_LONGEST = 60


@dataclass(frozen=True)
class Change:
    """One row to add (+), to change (~) or to delete (-)."""

    sign: Literal["+", "~", "-"]
    kind: Kind
    key: Mapping[str, Any]
    values: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, Any] = field(default_factory=dict)
    secret: SecretStr | None = None

    @property
    def title(self) -> str:
        return f"{self.sign} {self.kind.titled(self.key, new=self.sign == '+')}"

    @property
    def details(self) -> list[str]:
        """The changes of a row that stays. Never contains a secret's value."""
        if self.sign != "~":
            return []
        fields = [
            f"{FILE_NAMES.get(name, name)} {_shown(self.before[name])} -> {_shown(value)}"
            for name, value in self.values.items()
        ]
        return fields + (["secret changed"] if self.secret else [])


def lines(changes: Iterable[Change]) -> Iterator[str]:
    """The difference as text, one line for each thing that people know by name."""
    nothing = True
    for title, group in itertools.groupby(changes, key=lambda change: change.title):
        nothing = False
        details = ", ".join(detail for change in group for detail in change.details)
        yield f"{title}: {details}" if details else title
    if nothing:
        yield "= nothing to change"


def advice(changes: Iterable[Change]) -> Iterator[str]:
    """Doubts about new values that may be right all the same, one a line."""
    for change in changes:
        if change.sign != "-" and (doubt := _doubt(change)):
            yield f"! {change.kind.titled(change.key, new=change.sign == '+')}: {doubt}"


def _doubt(change: Change) -> str:
    if change.kind is PROVIDER:
        return advice_on_address(change.values.get("base_url", ""))
    if change.kind in (RULE, INSTITUTION_RULE) and (pattern := change.values.get("pattern")):
        return too_broad(pattern, checksum=change.values.get("checksum", ""))
    return ""


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):  # values of headers may be secret
        return f"{{{', '.join(value)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_item, value))}]"
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    text = str(value)
    if _PLAIN.fullmatch(text):
        return text
    return json.dumps(text if len(text) <= _LONGEST else text[:_LONGEST] + "…", ensure_ascii=False)


def _item(value: Any) -> str:
    """One of a list, such as a rewrite: nothing of it is secret."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {_shown(one)}' for name, one in value.items())}}}"
    return _shown(value)
