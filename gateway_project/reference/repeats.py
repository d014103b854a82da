"""Which errors clients repeat by themselves, and why each has the code and status that it has.

Read from openai-python 3.52, which openai-node and Anthropic's SDKs agree with, and from LiteLLM's mapping of
exceptions with aider's list of those that it repeats.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gateway_project.reference.errors import RaisedError

INTRODUCTION = """
### What clients repeat

The SDKs of OpenAI and Anthropic repeat 408, 409, 429 and every status from 500 on, twice, unless the response says
`x-should-retry: false`; they wait as long as `retry-after` says, but no longer than a minute or two. LiteLLM and the
agents built on it go by status and words, and may not know that header: they repeat what says *rate limit*, a code
`content_policy_violation`, and a 403 unless its type is `invalid_request_error`, but no other 400, 401 or 404. Vercel's
AI SDK repeats 408, 409, 429 and every status from 500 on, whatever the header says. So:

| Code | Status | Repeated | Because |
|---|---|---|---|
"""


class RepeatPolicy(NamedTuple):
    """Codes that are alike in this respect."""

    codes: tuple[str, ...]
    is_repeated: str
    reason: str


POLICIES = (
    RepeatPolicy(
        ("blocked_by_rule", "content_filter"),
        "never",
        "The request has to change. `content_policy_violation`, which OpenAI has for this, is repeated by agents.",
    ),
    RepeatPolicy(
        ("context_length_exceeded",),
        "never",
        "*This model's maximum context length is* makes LiteLLM raise ContextWindowExceededError, on which agents "
        "shorten their history.",
    ),
    RepeatPolicy(
        ("course_closed", "no_allowed_hosting"),
        "never",
        "Only staff can change it. The type is `invalid_request_error`, since LiteLLM repeats a 403 of any other.",
    ),
    RepeatPolicy(
        ("idempotency_in_flight", "superseded"),
        "soon",
        "The answer is on its way, and a repeat gets it. No other refusal has this status.",
    ),
    RepeatPolicy(
        ("body_stalled",),
        "at once",
        "Only what stands below `/svc` says so. The body may come faster next time.",
    ),
    RepeatPolicy(
        ("rate_limit_exceeded", "allowance_in_use"),
        "after `retry-after`",
        "Waiting helps. If it takes more than a minute, `x-should-retry` is `false`.",
    ),
    RepeatPolicy(
        ("insufficient_quota",),
        "no: `x-should-retry: false`",
        "OpenAI's own status and code, which clients know how to show. A client that repeats it nevertheless is "
        "refused before a provider is asked, so it costs nothing.",
    ),
    RepeatPolicy(
        ("upstream_rate_limited",),
        "after `retry-after`",
        "Not 429: it is not the student who was too fast. If it takes more than a minute, `x-should-retry` is `false`.",
    ),
    RepeatPolicy(
        ("no_instance",),
        "after `retry-after`, if there is one",
        "An instance may come back. A service without any needs its operator.",
    ),
    RepeatPolicy(
        ("service_unreachable", "service_broken", "service_timeout"),
        "only if the request does no harm twice",
        "Stoa has repeated it already where that is safe. The service may have carried out what it did not answer.",
    ),
    RepeatPolicy(("service_busy",), "after `retry-after`", "Nothing was sent. A connection will be free."),
    RepeatPolicy(
        ("upstream_credentials_exhausted", "upstream_misconfigured", "no_provider", "loop"),
        "no: `x-should-retry: false`",
        "Only the operator can change it.",
    ),
    RepeatPolicy(
        ("upstream_error", "upstream_timeout", "internal_error"),
        "soon",
        "The next attempt may meet a provider that is well.",
    ),
    RepeatPolicy(
        ("upstream_interrupted", "upstream_stalled"),
        "only without a stream",
        "In a stream the words before it have arrived, and SDKs raise an error.",
    ),
    RepeatPolicy(
        (
            *("overloaded", "shutting_down", "starting", "too_many_sign_ins"),
            *("quota_backend_unavailable", "recording_unavailable", "rules_unavailable"),
            *("database_busy", "database_unavailable"),
        ),
        "after `retry-after`",
        "Stoa will be back, and says when.",
    ),
)


class Undecided(Exception):
    """Clients would repeat an error by its status, and nobody has decided whether they should."""


def repeats(errors: Sequence[RaisedError]) -> Iterator[str]:
    """The table. Every error of the student API that clients repeat by its status has to be in it."""
    statuses = {error.code: error.status for error in errors if not error.is_staff_api}
    decided = {code for policy in POLICIES for code in policy.codes}
    asked = {code for code, status in statuses.items() if status in (408, 409, 429) or status >= 500}
    if wrong := (asked - decided) | (decided - statuses.keys()):
        raise Undecided(f"Say in POLICIES whether clients shall repeat {', '.join(sorted(wrong))}.")
    yield INTRODUCTION
    for policy in POLICIES:
        codes = "<br>".join(f"`{code}`" for code in policy.codes)
        found = ", ".join(str(status) for status in sorted({statuses[code] for code in policy.codes}))
        yield f"| {codes} | {found} | {policy.is_repeated} | {policy.reason} |\n"
