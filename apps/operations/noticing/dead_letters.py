"""Records of calls that the database refused."""

from collections.abc import Iterator
from datetime import datetime

from apps.conversations.models import DeadLetter
from apps.operations.models import About, Notification


def found(*, now: datetime) -> Iterator[Notification]:
    """One notification for all that there are, when there is a new one."""
    newest = DeadLetter.objects.order_by("-id").values_list("id", flat=True).first()
    if newest is None or Notification.objects.filter(key=f"dead-letters:{newest}").exists():
        return
    count = DeadLetter.objects.count()
    yield Notification(
        key=f"dead-letters:{newest}",
        about=About.DEAD_LETTERS,
        kind="dead_letters",
        subject="dead-letters",
        level="bad",
        title=f"{count} dead letter{'' if count == 1 else 's'}",
        detail="The database refused to record these conversations. Their texts wait on the page of dead letters.",
        page="/admin/conversations/deadletter/",
        at=now,
    )
