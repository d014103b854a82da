"""What is sent, in the words of an e-mail and in the JSON of a webhook. Pure."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

MOST = 20  # notices in one message
_WORST_FIRST = {"bad": 0, "warning": 1, "good": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One notification as it is told. `earlier` counts those about the same subject that it replaces."""

    id: int
    kind: str
    level: str
    title: str
    detail: str
    address: str
    course: str = ""
    earlier: int = 0
    at: datetime


@dataclass(frozen=True, slots=True)
class NotificationMessage:
    """What one channel is sent at once. Its id is the same when it is sent again."""

    notices: tuple[Notice, ...]
    beyond: int = 0  # further ones, which are only counted

    @classmethod
    def of(cls, notices: Sequence[Notice]) -> "NotificationMessage":
        """The worst first, and of those the latest."""
        ordered = sorted(notices, key=lambda one: (_WORST_FIRST.get(one.level, 1), -one.id))
        return cls(tuple(ordered[:MOST]), max(0, len(ordered) - MOST))

    @property
    def id(self) -> str:
        ids = ",".join(str(one.id) for one in self.notices)
        return f"msg_{hashlib.sha256(ids.encode()).hexdigest()[:32]}"

    @property
    def subject(self) -> str:
        """One line, whatever is in the names."""
        more = len(self.notices) + self.beyond - 1
        title = self.notices[0].title + (f", and {more} more" if more else "")
        return f"[Stoa] {''.join(one if one.isprintable() else ' ' for one in title)}"

    @property
    def text(self) -> str:
        parts = [_paragraph(one) for one in self.notices]
        if self.beyond:
            parts.append(f"{self.beyond} more notifications are on the page Notifications of the admin.")
        return "\n\n".join(parts) + "\n"

    def body(self) -> bytes:
        data = {"notifications": [_values(one) for one in self.notices], "further": self.beyond}
        first = max(one.at for one in self.notices)
        return orjson.dumps({"type": "stoa.notifications", "timestamp": first, "text": self.text, "data": data})


def _paragraph(notice: Notice) -> str:
    lines = [notice.title, notice.detail]
    if notice.earlier:
        more = "1 earlier notification" if notice.earlier == 1 else f"{notice.earlier} earlier notifications"
        lines.append(f"It replaces {more} about the same.")
    lines.append(f"{notice.at:%Y-%m-%d %H:%M:%S %Z}  {notice.address}")
    return "\n".join(line for line in lines if line)


def _values(notice: Notice) -> dict[str, object]:
    return {
        "id": notice.id,
        "kind": notice.kind,
        "level": notice.level,
        "title": notice.title,
        "detail": notice.detail,
        "course": notice.course or None,
        "url": notice.address,
        "replaces": notice.earlier,
        "at": notice.at,
    }
