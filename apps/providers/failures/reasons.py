"""The reasons for which a call fails at a provider."""

from typing import Literal

Reason = Literal[
    "unreachable",
    "too_slow",
    "broken",  # the connection broke, or the answer was cut off
    "empty",  # an answer that says nothing
    "credential",  # our key is refused
    "billing",  # the operator has to pay
    "rate",
    "busy",  # no connection of ours to this provider was free: it did nothing wrong
    "full",  # none of the places of this deployment was free
    "error",  # the provider's own trouble, also inside an answer with status 200
    "missing",  # this deployment does not exist, or not any more
    "too_long",  # for this model's context
    "too_large",  # for this provider's limit on bodies
    "added",  # a parameter that Stoa itself added is not understood; `param` names it
    "request",  # the student's mistake
]

# Reasons for which any other candidate may do better. An invalid request fails everywhere, and one that is too long at
# every deployment that is no larger.
ELSEWHERE: frozenset[Reason] = frozenset(
    (
        *("unreachable", "too_slow", "broken", "empty", "credential", "billing", "rate", "busy", "full", "error"),
        *("missing", "too_large"),
    )
)


class UpstreamRefused(Exception):
    """A candidate did not take the call.

    `code` and `param` are the identifiers that it gave, if any; a context that is too long and a refusal of the content
    have one code each, whatever the provider calls them. `retry_after` is in seconds, None if it named no time to come.
    """

    def __init__(
        self,
        reason: Reason,
        *,
        detail: str,
        status: int = 0,
        code: str = "",
        param: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.status = status
        self.code = code
        self.param = param
        self.retry_after = retry_after

    def forget(self, secret: str) -> None:
        """Drop its identifiers if one of them quotes our key, which neither the log nor a student may see."""
        if any(secret in said for said in (self.detail, self.code, self.param)):
            self.detail, self.code, self.param = f"Answered {self.status}" if self.status else "", "", ""
            self.args = (self.detail,)
