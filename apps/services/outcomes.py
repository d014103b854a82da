"""What became of a request to a service. Pure."""

from enum import StrEnum
from typing import Final


class RequestOutcome(StrEnum):
    """What became of a request: the first four are answers of the service."""

    ANSWERED = "answered"
    DECLINED = "declined"  # 4xx
    ERROR = "error"  # 5xx
    BROKEN = "broken"  # the answer ended too early
    FAILED = "failed"  # no instance answered
    REFUSED = "refused"  # by Stoa: a limit, a missing right
    LEFT = "left"  # the caller did not wait


TROUBLE: Final = frozenset({RequestOutcome.ERROR, RequestOutcome.BROKEN, RequestOutcome.FAILED})
CALLER_LEFT: Final = 499


def outcome_of(*, status: int, code: str, has_begun: bool) -> RequestOutcome:
    """`code` is that of our own error; an answer that has begun can only break off."""
    if status == CALLER_LEFT:
        return RequestOutcome.LEFT
    if code and has_begun:
        return RequestOutcome.BROKEN
    if code:
        return RequestOutcome.FAILED if status >= 500 else RequestOutcome.REFUSED
    if status >= 500:
        return RequestOutcome.ERROR
    return RequestOutcome.DECLINED if status >= 400 else RequestOutcome.ANSWERED
