"""What a provider means when it does not answer. Pure.

Every provider has its own way of saying no, and a status alone is not enough: 403 may be about our key or the student's
words, 429 about an unpaid bill, 400 about a model that was removed. `refusal_of` and `refusal_in` turn them all into an
UpstreamRefused with a reason to act on. The sentences of a provider serve to find that reason and go no further, since
they may quote the student or our key. Identifiers may be logged.
"""

from apps.providers.failures.reasons import ELSEWHERE, Reason, UpstreamRefused
from apps.providers.failures.refusals import refusal_in, refusal_of
from apps.providers.failures.spellings import is_error
from apps.providers.failures.waits import LONGEST_WAIT, retry_after_of

__all__ = [
    "ELSEWHERE",
    "LONGEST_WAIT",
    "Reason",
    "UpstreamRefused",
    "is_error",
    "refusal_in",
    "refusal_of",
    "retry_after_of",
]
