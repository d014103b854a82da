"""Who is locked out: whose next usual call would be refused for quota. A pure decision."""

from dataclasses import dataclass
from datetime import datetime

from apps.common.translation import gettext


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """What a student's latest calls say.

    Calls are recorded above this app, so whoever reads them passes this in. `refused_at` is the first refusal for quota
    in this week since the last answer; `last_at` is the latest call, and `answered_at` the latest answer of this week.
    """

    refused_at: datetime | None = None
    answered_at: datetime | None = None
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A student is locked out. `since` is None for one who did not call this week; `why` is a sentence for staff."""

    since: datetime | None
    why: str


def lock_of(*, left: int | None, usual: int | None, recent: Recent, relieved_at: datetime | None) -> Lock | None:
    """None if the next usual call passes.

    `left` is the least of all that the call would draw on, and None without any limit. `usual` is what a call of the
    course usually costs, if that is known. `relieved_at` is when staff last changed what this student may use: a
    refusal before it says nothing any more.
    """
    refused_at = recent.refused_at
    if refused_at is not None and relieved_at is not None and relieved_at > refused_at:
        refused_at = None
    since = refused_at or recent.answered_at
    if left is not None and left < max(usual or 1, 1):
        return Lock(
            since=since,
            why=gettext("Nothing is left.") if left <= 0 else gettext("Less is left than a usual call costs."),
        )
    if refused_at is not None:
        return Lock(since=refused_at, why=gettext("The last calls were refused: they need more than is left."))
    return None
