"""What a request tells of itself, and what this process keeps for the next attempt."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from apps.chat.idempotency.keys import FIRST, Attempt, Claim, ClaimTaken, Repeatable, attempt_of, digest_of, repeatable
from apps.chat.idempotency.recent import MOST_BYTES, MOST_REFUSALS, OVERHEAD, SECONDS, RecentAnswers
from apps.chat.idempotency.stored_answers import StoredAnswer
from apps.chat.relay.pump import Pump
from apps.common.errors import GatewayError, InvalidRequest, OutOfQuota, RateLimited, UpstreamFailed

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
D = b"digest"
FAILED = UpstreamFailed("upstream_error", "No provider could answer.")


CHAT = "openai_chat"


def claim(
    key: str = "key", *, raw: bytes = b"body", dialect: str = CHAT, call: str = "call", membership: int = 1
) -> Claim:
    return Claim.of(key, raw, dialect=dialect, call=call, membership=membership, now=NOW)


def a_pump(*, can_be_joined: bool = True, is_orphaned: bool = False) -> Pump:
    """What the store asks of one."""
    return cast(Pump, SimpleNamespace(can_be_joined=can_be_joined, is_orphaned=is_orphaned))


def an_answer(content: bytes = b"Hello") -> StoredAnswer:
    return StoredAnswer(call="call", is_stream=False, headers={}, content=content)


def finished(
    retries: RecentAnswers, answer: StoredAnswer | None, *, digest: bytes = D, now: float = 0, **pump: Any
) -> None:
    one = a_pump(**pump)
    retries.begin(digest, one)
    retries.end(digest, one, answer, now=now)


# Headers


@pytest.mark.parametrize(
    ("headers", "attempt"),
    [
        ({}, FIRST),
        ({"key": "k"}, Attempt(key="k")),
        ({"key": "~" * 255}, Attempt(key="~" * 255)),
        ({"number": "0"}, Attempt(number=0)),
        ({"number": "2"}, Attempt(number=2)),
        ({"number": "-1"}, FIRST),
        ({"number": "²"}, FIRST),
        ({"number": "9" * 5000}, FIRST),
        ({"number": "1,1"}, FIRST),
        ({"key": "k", "number": "1"}, Attempt("k", 1)),
    ],
)
def test_what_the_headers_say(headers: dict[str, str], attempt: Attempt) -> None:
    assert attempt_of(**headers) == attempt


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "ä", "a\n"])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidRequest):
        attempt_of(key=key)


def of(attempt: Attempt, *, key_id: int = 1, raw: bytes = b"body", dialect: str = CHAT) -> Repeatable:
    return repeatable(attempt, raw, dialect=dialect, call="call", key_id=key_id, membership_id=1, now=NOW)


def test_of_a_request_that_tells_nothing_the_digest_is_made_on_demand() -> None:
    silent, numbered = of(FIRST), of(Attempt(number=0))

    assert (silent.claim, silent.digest) == (None, None)
    assert silent.on_demand is not None
    assert silent.on_demand() == numbered.digest


def test_its_own_key_says_more_than_a_clients_count() -> None:
    assert of(Attempt("k", 1)) == Repeatable(claim=claim("k"))


def test_the_digest_tells_api_keys_and_bodies_apart() -> None:
    bodies, keys = (b"", b"a", b"b"), (1, 2, 2**63 - 1)
    digests = {digest_of(raw, dialect=CHAT, key_id=key_id) for raw in bodies for key_id in keys}

    assert len(digests) == 9
    assert of(Attempt(number=0)).digest == of(Attempt(number=3)).digest == digest_of(b"body", dialect=CHAT, key_id=1)


def test_a_claim_tells_students_keys_and_bodies_apart() -> None:
    claims = [claim(), claim("other"), claim(membership=2), claim("1 key", membership=1)]

    assert len({one.id for one in claims}) == len(claims)
    assert claim().body != claim(raw=b"other").body
    assert claim().id == claim(raw=b"other").id


def test_the_same_bytes_in_another_format_are_another_request() -> None:
    assert claim().body != claim(dialect="tiny").body
    assert of(Attempt(number=0)).digest != of(Attempt(number=0), dialect="tiny").digest


@pytest.mark.parametrize(
    ("taken", "status", "code"),
    [
        (ClaimTaken("other", "first", True, "sealed"), 400, "idempotency_key_reused"),
        (ClaimTaken("other", "first", False, ""), 400, "idempotency_key_reused"),
        (ClaimTaken(claim().body, "first", False, ""), 409, "idempotency_in_flight"),
        (ClaimTaken(claim().body, "first", True, ""), 400, "idempotency_answer_not_kept"),
    ],
)
def test_why_a_claim_cannot_be_had(taken: ClaimTaken, status: int, code: str) -> None:
    refusal = taken.refusal(claim())

    assert refusal is not None
    assert (refusal.status, refusal.code, refusal.details) == (status, code, {"original_request_id": "first"})


# What is kept for the next attempt


def test_an_open_answer_is_found_and_one_that_nobody_reads_first() -> None:
    retries, read, orphaned, ending = RecentAnswers(), a_pump(), a_pump(is_orphaned=True), a_pump(can_be_joined=False)
    for pump in (ending, read):
        retries.begin(D, pump)
    without = retries.find(D, now=0)
    retries.begin(D, orphaned)

    assert (without, retries.find(D, now=0)) == (read, orphaned)


def test_a_finished_answer_is_found_for_two_minutes() -> None:
    retries, answer = RecentAnswers(), an_answer()
    finished(retries, answer)

    assert [retries.find(D, now=now) for now in (0, SECONDS, SECONDS + 1)] == [answer, answer, None]
    assert retries.find(b"other", now=0) is None


def test_the_attempt_after_an_error_is_carried_out_once_for_each_error() -> None:
    retries, answer = RecentAnswers(), an_answer()
    finished(retries, answer)
    for _ in range(2):
        retries.note_refusal(D, FAILED, now=0)

    assert [retries.find(D, now=1) for _ in range(3)] == [None, None, answer]


def test_an_answer_that_a_client_is_owed_comes_before_that_once() -> None:
    retries, answer = RecentAnswers(), an_answer()
    finished(retries, answer, is_orphaned=True)
    retries.note_refusal(D, FAILED, now=0)

    assert [retries.find(D, now=1) for _ in range(3)] == [answer, None, answer]


def test_an_error_is_forgotten_after_two_minutes() -> None:
    retries, answer = RecentAnswers(), an_answer()
    retries.note_refusal(D, FAILED, now=0)
    finished(retries, answer, now=SECONDS)

    assert retries.find(D, now=SECONDS + 1) is answer


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequest("c", "m"),
        OutOfQuota("m", headers={}, details={}),
        RateLimited("m", wait=90),
    ],
    ids=["400", "out of quota", "long wait"],
)
def test_errors_that_clients_do_not_repeat_do_not_count(error: GatewayError) -> None:
    retries, answer = RecentAnswers(), an_answer()
    finished(retries, answer)

    retries.note_refusal(D, error, now=0)

    assert retries.find(D, now=0) is answer


def test_a_short_wait_does() -> None:
    retries = RecentAnswers()
    finished(retries, an_answer())

    retries.note_refusal(D, RateLimited("m", wait=1), now=0)

    assert retries.find(D, now=0) is None


def test_what_is_kept_is_bounded_and_the_oldest_goes_first() -> None:
    retries, large = RecentAnswers(), an_answer(b"x" * (MOST_BYTES // 4 - OVERHEAD))
    for number in range(6):
        finished(retries, large, digest=b"%d" % number)

    assert [retries.find(b"%d" % number, now=0) is None for number in range(6)] == [True] * 2 + [False] * 4
    assert retries.size == MOST_BYTES


def test_the_same_request_again_replaces_what_was_kept() -> None:
    retries, second = RecentAnswers(), an_answer(b"second")
    finished(retries, an_answer(b"first"))
    finished(retries, second)

    assert retries.find(D, now=0) is second
    assert retries.size == len(b"second") + OVERHEAD


def test_errors_that_are_remembered_are_bounded() -> None:
    retries = RecentAnswers()
    finished(retries, an_answer())
    retries.note_refusal(D, FAILED, now=0)

    for number in range(MOST_REFUSALS):
        retries.note_refusal(b"%d" % number, FAILED, now=0)

    assert retries.find(D, now=0) is not None


def test_at_rest_nothing_is_kept() -> None:
    retries = RecentAnswers()
    finished(retries, an_answer(), now=0)
    finished(retries, an_answer(), digest=b"later", now=10)
    retries.note_refusal(b"refused", FAILED, now=0)

    retries.forget_old(now=SECONDS + 5)
    between = retries.size
    retries.forget_old(now=SECONDS + 11)

    assert (between > 0, retries.size) == (True, 0)


# Attempts without a number


def test_they_get_what_a_client_has_left_and_nothing_else() -> None:
    retries, waiting, left = RecentAnswers[Pump](), a_pump(), a_pump(is_orphaned=True)
    finished(retries, an_answer(), is_orphaned=True)
    retries.begin(D, waiting)
    before = (retries.has_orphans, retries.orphan(D))

    retries.begin(D, left)
    retries.client_left(D, left)

    assert before == (False, None)
    assert (retries.has_orphans, retries.orphan(D), retries.orphan(b"other")) == (True, left, None)


def test_what_can_no_longer_be_joined_is_not_joined() -> None:
    retries, left = RecentAnswers[Pump](), a_pump(is_orphaned=True, can_be_joined=False)
    retries.begin(D, left)
    retries.client_left(D, left)

    assert retries.orphan(D) is None


def test_nothing_is_left_once_all_have_ended() -> None:
    retries, left = RecentAnswers[Pump](), a_pump(is_orphaned=True)
    retries.begin(D, left)
    retries.client_left(D, left)

    retries.end(D, left, None, now=0)

    assert (retries.has_orphans, retries.orphan(D)) == (False, None)
