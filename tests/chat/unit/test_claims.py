"""Claims on Idempotency-Keys as the writer makes and ends them, with the ledger's movements in the same transaction."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.chat.accounting import journal
from apps.chat.accounting.journal import JournalEntry
from apps.chat.idempotency import claims, stored_answers
from apps.chat.idempotency.claims import FORGET_AT_ONCE, ClaimEnd
from apps.chat.idempotency.keys import KEPT_FOR, Claim, ClaimTaken
from apps.chat.idempotency.stored_answers import StoredAnswer
from apps.chat.models import Repeat
from apps.common.commit import Writer
from apps.common.ids import new_id
from apps.quotas.ledger.movements import Held, Release, Settle, Short
from apps.quotas.models import Hold
from tests.chat.unit.desk import LATER as ENDED
from tests.chat.unit.desk import Desk

NOW = datetime.now(UTC)  # a gateway that runs beside the tests removes what has expired
LATER = NOW + timedelta(seconds=90)
DAY_AFTER = NOW + KEPT_FOR


def unit(desk: Desk, key: str, *, amount: int = 100, body: bytes = b"body", now: datetime = NOW) -> JournalEntry:
    call = new_id()
    made = Claim.of(key, body, dialect="openai_chat", call=call, membership=desk.student.pk, now=now)
    return JournalEntry(desk.reservation(call, amount), claim=made)


def claim_of(one: JournalEntry) -> Claim:
    assert one.claim is not None
    return one.claim


async def together(units: Sequence[JournalEntry]) -> list[Any]:
    """In one transaction: a writer that begins only when all of them wait takes them at once."""
    writer = Writer(name="batch")
    futures = [writer.submit(journal.apply, unit) for unit in units]
    writer.start()
    outcomes = await asyncio.gather(*futures)
    await asyncio.to_thread(writer.stop)
    assert writer.batches == 1
    return outcomes


def settle(desk: Desk, one: JournalEntry, answer: str | None = "sealed") -> Any:
    claim = claim_of(one)
    ending = Settle(hold=claim.call, charge=7, now=ENDED)
    return desk.writer.call(journal.apply, JournalEntry(ending, kept=ClaimEnd(claim.id, claim.call, answer)))


def release(desk: Desk, one: JournalEntry) -> Any:
    claim = claim_of(one)
    ending = Release(hold=claim.call, now=ENDED)
    return desk.writer.call(journal.apply, JournalEntry(ending, kept=ClaimEnd(claim.id, claim.call, None)))


def find(desk: Desk, one: JournalEntry, *, now: datetime = LATER) -> ClaimTaken | None:
    return desk.writer.call(claims.find, replace(claim_of(one), now=now))


def test_a_key_is_claimed_with_the_reservation_and_answered_with_the_settlement(desk: Desk) -> None:
    first = unit(desk, "key")
    held = desk.writer.call(journal.apply, first)
    open_ = find(desk, first)

    settle(desk, first)

    claim = claim_of(first)
    assert isinstance(held, Held)
    assert open_ == ClaimTaken(claim.body, claim.call, False, "")
    assert find(desk, first) == ClaimTaken(claim.body, claim.call, True, "sealed")


def test_a_key_that_is_taken_reserves_nothing(desk: Desk) -> None:
    first, second = unit(desk, "key"), unit(desk, "key")
    desk.writer.call(journal.apply, first)

    outcome = desk.writer.call(journal.apply, second)

    assert outcome == ClaimTaken(claim_of(first).body, claim_of(first).call, False, "")
    assert not Hold.objects.filter(pk=claim_of(second).call).exists()


async def test_of_several_in_one_transaction_the_first_gets_it_and_nobody_disturbs_the_others(desk: Desk) -> None:
    a, b, c, other = unit(desk, "key"), unit(desk, "key"), unit(desk, "key"), unit(desk, "other")
    ordinary = JournalEntry(desk.reservation(new_id(), 100))

    outcomes = await together([a, other, b, ordinary, c])

    first = ClaimTaken(claim_of(a).body, claim_of(a).call, False, "")
    assert [isinstance(outcome, Held) for outcome in outcomes] == [True, True, False, True, False]
    assert (outcomes[2], outcomes[4]) == (first, first)


def test_a_reservation_that_is_refused_takes_no_key(desk: Desk) -> None:
    large, small = unit(desk, "key", amount=2000), unit(desk, "key")

    assert isinstance(desk.writer.call(journal.apply, large), Short)
    assert isinstance(desk.writer.call(journal.apply, small), Held)


def test_a_call_that_cost_nothing_gives_its_key_back(desk: Desk) -> None:
    first, second = unit(desk, "key"), unit(desk, "key")
    desk.writer.call(journal.apply, first)

    release(desk, first)

    assert find(desk, first) is None
    assert isinstance(desk.writer.call(journal.apply, second), Held)


def test_so_does_one_whose_process_died(desk: Desk) -> None:
    first = unit(desk, "key")
    desk.writer.call(journal.apply, first)

    desk.expire(claim_of(first).call)

    assert find(desk, first) is None


def test_what_ends_late_does_not_touch_the_key_of_its_successor(desk: Desk) -> None:
    first, second = unit(desk, "key"), unit(desk, "key")
    desk.writer.call(journal.apply, first)
    desk.expire(claim_of(first).call)
    desk.writer.call(journal.apply, second)

    settle(desk, first, "of the first")

    assert find(desk, second) == ClaimTaken(claim_of(second).body, claim_of(second).call, False, "")


def test_an_answer_is_kept_once(desk: Desk) -> None:
    first = unit(desk, "key")
    desk.writer.call(journal.apply, first)
    settle(desk, first, "first")

    settle(desk, first, "second")
    release(desk, first)

    taken = find(desk, first)
    assert taken is not None
    assert taken.answer == "first"


@pytest.mark.parametrize("is_done", [False, True], ids=["open", "done"])
def test_after_a_day_a_key_is_new(desk: Desk, is_done: bool) -> None:
    first, second = unit(desk, "key"), unit(desk, "key", body=b"another", now=DAY_AFTER)
    desk.writer.call(journal.apply, first)
    if is_done:
        settle(desk, first)

    found = [find(desk, first, now=DAY_AFTER - timedelta(seconds=1)), find(desk, first, now=DAY_AFTER)]

    assert [one is None for one in found] == [False, True]
    assert isinstance(desk.writer.call(journal.apply, second), Held)


def test_expired_ones_are_removed_some_at_a_time(desk: Desk) -> None:
    first = unit(desk, "key")
    desk.writer.call(journal.apply, first)
    row = Repeat.objects.get(call=claim_of(first).call)
    old = {"membership": 0, "state": "done", "created_at": NOW, "expires_at": NOW}
    ids = [new_id() for _ in range(FORGET_AT_ONCE + 1)]
    Repeat.objects.bulk_create(Repeat(id=id, **old) for id in ids)

    removed = [desk.writer.call(claims.forget, NOW) for _ in range(3)]

    assert max(removed) <= FORGET_AT_ONCE
    assert not Repeat.objects.filter(pk__in=ids).exists()
    assert Repeat.objects.filter(pk=row.pk).exists()


# What rests in the database


@pytest.mark.parametrize("size", [10, 200_000], ids=["short", "long"])
async def test_an_answer_opens_only_where_it_was_kept(size: int) -> None:
    content = b"data: \xf0\x9f\x91\x8b\n\n" * size
    answer = StoredAnswer(call="call", is_stream=True, headers={"x-gateway-model": "m"}, content=content)

    stored = await stored_answers.seal(answer, claim="mine")

    assert await stored_answers.unseal(stored, claim="mine") == answer
    assert await stored_answers.unseal(stored, claim="another's") is None
    assert len(stored) < 1000 + len(content) // 50
