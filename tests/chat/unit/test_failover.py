"""Who is asked after an attempt has failed, and what a student is told when all have."""

from dataclasses import replace
from typing import Any

import pytest

from apps.chat.call import ChatCall
from apps.chat.relay.failover import left_after
from apps.chat.relay.failures import failure_of
from apps.common.errors import GatewayError
from apps.providers.adapters.protocol import Reason, UpstreamRefused
from apps.providers.catalogue import Secret
from apps.providers.routing import Candidate
from tests.chat.unit.values import a_call, a_route, a_target

SECRET_WORDS = "acct_secret"


def refusal(reason: Reason, **fields: Any) -> UpstreamRefused:
    return UpstreamRefused(reason, detail=SECRET_WORDS, **fields)


# Who is asked next

A, B = (Secret(id=id, label=label, text="s", weight=1) for id, label in enumerate(("a", "b")))
HERE = a_target(deployment_id=1, provider="one")
BESIDE = a_target(deployment_id=2, provider="one")
ELSEWHERE = a_target(deployment_id=3, provider="two")
REST = [Candidate(HERE, B), Candidate(BESIDE, A), Candidate(ELSEWHERE, None)]

NEXT: list[tuple[Reason, list[Candidate]]] = [
    ("credential", REST),
    ("billing", REST),
    ("rate", REST),
    ("too_slow", REST[1:]),
    ("broken", REST[1:]),
    ("empty", REST[1:]),
    ("error", REST[1:]),
    ("missing", REST[1:]),
    ("added", REST[1:]),
    ("unreachable", REST[2:]),
    ("busy", REST[2:]),
    ("full", REST[1:]),
    ("too_large", REST[2:]),
    ("too_long", REST[1:]),
    ("request", []),
]


@pytest.mark.parametrize(("reason", "left"), NEXT, ids=[case[0] for case in NEXT])
def test_only_those_are_asked_who_may_do_better(reason: Reason, left: list[Candidate]) -> None:
    assert left_after(refusal(reason), Candidate(HERE, A), REST) == left


def test_a_larger_context_may_do_better_the_largest_first() -> None:
    def sized(size: int | None, *, id: int = 2) -> Candidate:
        return Candidate(replace(HERE, deployment_id=id, context_window=size), None)

    rest = [sized(8), sized(16), sized(None), sized(32)]

    assert left_after(refusal("too_long"), sized(8, id=1), rest) == [sized(32), sized(16), sized(None)]
    assert left_after(refusal("too_long"), sized(None, id=1), rest) == [sized(32), sized(16), sized(8), sized(None)]
    assert left_after(refusal("too_long"), sized(None, id=2), rest) == []


# What the student is told

FAILED: list[tuple[list[Reason], int, str, bool]] = [
    # how the attempts failed -> status, code, whether clients may repeat
    (["unreachable"], 502, "upstream_error", True),
    (["broken"], 502, "upstream_error", True),
    (["empty"], 502, "upstream_error", True),
    (["error"], 502, "upstream_error", True),
    (["too_slow"], 504, "upstream_timeout", True),
    (["error", "too_slow"], 504, "upstream_timeout", True),
    (["too_slow", "error"], 502, "upstream_error", True),
    (["credential"], 502, "upstream_credentials_exhausted", False),
    (["credential", "billing"], 502, "upstream_credentials_exhausted", False),
    (["credential", "error"], 502, "upstream_error", True),
    (["error", "credential"], 502, "upstream_error", True),
    (["missing"], 502, "upstream_misconfigured", False),
    (["added"], 502, "upstream_misconfigured", False),
    (["missing", "credential"], 502, "upstream_misconfigured", False),
    (["missing", "error"], 502, "upstream_error", True),
    (["rate"], 503, "upstream_rate_limited", True),
    (["busy"], 503, "upstream_rate_limited", True),
    (["full"], 503, "upstream_rate_limited", True),
    (["credential", "rate", "missing"], 503, "upstream_rate_limited", True),
    (["rate", "error"], 502, "upstream_error", True),
    (["too_large"], 413, "request_too_large", True),
    (["error", "too_long"], 400, "context_length_exceeded", True),
    (["too_long", "error"], 502, "upstream_error", True),
]


def failure(*reasons: Reason, call: ChatCall | None = None, wait: float | None = None) -> GatewayError:
    return failure_of(call or a_call(), [refusal(reason) for reason in reasons], wait=wait)


@pytest.mark.parametrize(
    ("reasons", "status", "code", "may_repeat"), FAILED, ids=["+".join(case[0]) for case in FAILED]
)
def test_a_code_of_ours(reasons: list[Reason], status: int, code: str, may_repeat: bool) -> None:
    error = failure(*reasons)

    assert (error.status, error.code, error.charged) == (status, code, 0)
    assert (error.headers.get("x-should-retry") != "false") is may_repeat
    assert error.who == ("you" if status in (400, 413) else "operator")
    assert SECRET_WORDS.encode() not in error.json(request_id="r")


def test_without_any_deployment_the_student_is_told_to_choose_another_model() -> None:
    error = failure()

    assert (error.status, error.code) == (503, "no_provider")


WAITS: list[tuple[list[Reason], float | None, str, str | None]] = [
    (["rate", "rate"], 36.2, "37", None),
    (["rate"], None, "1", None),
    (["rate", "busy"], 36.2, "1", None),
    (["rate"], 0.01, "1", None),
    (["rate"], 299.5, "300", "false"),
    ([], 12.0, "12", None),
]


@pytest.mark.parametrize(("reasons", "wait", "after", "should_retry"), WAITS)
def test_who_is_at_the_limit_says_how_long(
    reasons: list[Reason], wait: float | None, after: str, should_retry: str | None
) -> None:
    error = failure(*reasons, wait=wait)

    assert (error.status, error.code, error.headers["retry-after"]) == (503, "upstream_rate_limited", after)
    assert error.headers.get("x-should-retry") == should_retry
    assert f"in {after} second" in error.message


REQUEST: list[tuple[dict[str, Any], str, str | None]] = [
    ({"status": 400}, "refused_by_provider", None),
    ({"status": 422, "code": "bad", "param": "tools[0]"}, "bad", "tools[0]"),
    ({"status": 400, "code": "content_filter"}, "content_filter", None),
]


@pytest.mark.parametrize(("fields", "code", "param"), REQUEST)
def test_a_request_at_fault_is_the_student_s_to_mend(fields: dict[str, Any], code: str, param: str | None) -> None:
    error = failure_of(a_call(), [refusal("request", **fields)])

    assert (error.status, error.code, error.param, error.who) == (400, code, param, "you")
    assert SECRET_WORDS.encode() not in error.json(request_id="r")


@pytest.mark.parametrize(
    ("windows", "own", "sentence"),
    [
        ([8192, 32768, None], None, "maximum context length is 32768 tokens"),
        ([None], 4096, "maximum context length is 4096 tokens"),
        ([None], None, "maximum context length"),
    ],
)
def test_what_is_too_long_is_told_in_the_words_that_clients_look_for(
    windows: list[int | None], own: int | None, sentence: str
) -> None:
    route = a_route(*(a_target(context_window=window) for window in windows), context_window=own)

    error = failure("too_long", call=a_call(route=route))

    assert (error.code, error.param) == ("context_length_exceeded", "messages")
    assert sentence in error.message


@pytest.mark.parametrize(("is_stream", "words"), [(True, "began to answer in time"), (False, "answered in time")])
def test_who_was_too_slow_is_said_truly(is_stream: bool, words: str) -> None:
    assert words in failure("too_slow", call=a_call(is_stream=is_stream)).message
