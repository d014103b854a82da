"""A movement of the ledger and the record of its call, in one transaction."""

from apps.accounts.models import ApiKey, Membership
from apps.chat.accounting import journal
from apps.chat.accounting.journal import JournalEntry
from apps.common.ids import new_id
from apps.conversations.call_rows import Record
from apps.conversations.models import Call, RuleHit
from apps.quotas.ledger import leases
from apps.quotas.ledger.leases import Checkpoint
from apps.quotas.ledger.movements import Ended, Release, Settle, Short
from apps.quotas.models import Hold
from apps.rules.models import Rule
from tests.chat.unit.desk import LATER, NOW, Desk

# Movements with records


def call_of(id: str) -> Call | None:
    return Call.objects.filter(pk=id).first()


def test_a_settlement_charges_and_records(desk: Desk) -> None:
    call = desk.reserve()

    outcome = desk.settle(call, 70, hits=True, provider="p", output_tokens=40, duration_ms=12)

    row = Call.objects.get(pk=call)
    assert isinstance(outcome, Ended) and outcome.changed
    assert (row.status, row.charged, row.provider, row.output_tokens, row.started_at) == ("answered", 70, "p", 40, NOW)
    assert list(row.rule_hits.values_list("rule", "name", "start", "end")) == [(desk.rule.pk, "näme", 1, 4)]


def test_a_reservation_records_nothing_yet(desk: Desk) -> None:
    assert call_of(desk.reserve()) is None


def test_a_second_settlement_changes_neither_the_charge_nor_the_record(desk: Desk) -> None:
    call = desk.reserve()
    desk.settle(call, 70, hits=True)

    outcome = desk.settle(call, 90, hits=True, status="failed")

    row = Call.objects.get(pk=call)
    assert not outcome.changed
    assert (row.status, row.charged, row.rule_hits.count()) == ("answered", 70, 1)
    assert Hold.objects.get(pk=call).charged == 70


def test_a_release_records_the_call_as_free(desk: Desk) -> None:
    call = desk.reserve()

    desk.writer.call(journal.apply, JournalEntry(Release(hold=call, now=LATER), desk.record(call, status="failed")))

    assert (call_of(call).status, call_of(call).charged) == ("failed", 0)  # type: ignore[union-attr]


def test_a_refusal_is_a_record_without_a_movement(desk: Desk) -> None:
    call = new_id()

    outcome = desk.writer.call(journal.apply, JournalEntry(record=desk.record(call, hits=True, status="blocked")))

    assert outcome is None
    assert Call.objects.get(pk=call).rule_hits.count() == 1


def test_a_reservation_that_is_short_disturbs_nobody(desk: Desk) -> None:
    call, short = desk.reserve(), new_id()

    outcome = desk.writer.call(journal.apply, JournalEntry(desk.reservation(short, 5000)))
    desk.settle(call, 70)

    assert isinstance(outcome, Short)
    assert Call.objects.get(pk=call).charged == 70


async def test_what_one_batch_brings_is_answered_each_for_itself(desk: Desk) -> None:
    calls = [desk.reserve(10) for _ in range(20)]
    units = [
        JournalEntry(Settle(hold=call, charge=n, now=LATER), desk.record(call, charged=n))
        for n, call in enumerate(calls)
    ]

    outcomes = [await future for future in [desk.writer.submit(journal.apply, unit) for unit in units]]

    assert [outcome.charged for outcome in outcomes if isinstance(outcome, Ended)] == list(range(20))


# Calls whose process died


def test_an_expired_hold_is_charged_its_floor_and_recorded_as_interrupted(desk: Desk) -> None:
    call = desk.reserve(hits=True)

    assert desk.expire(call)

    row = Call.objects.get(pk=call)
    assert (row.status, row.error_code, row.charged, row.is_estimated) == ("interrupted", "gateway_crashed", 40, True)
    assert (row.started_at, row.duration_ms, row.input_tokens) == (NOW, 90_000, 30)
    assert (row.membership_id, row.api_key_id, row.is_stream) == (desk.student.pk, desk.key.pk, True)
    assert list(row.rule_hits.values_list("name", flat=True)) == ["näme"]


def test_an_expired_hold_is_charged_what_was_checkpointed(desk: Desk) -> None:
    call = desk.reserve()
    desk.writer.call(leases.write, [Checkpoint(call, 60)])

    desk.expire(call)

    assert Call.objects.get(pk=call).charged == 60


def test_expiring_twice_records_once(desk: Desk) -> None:
    call = desk.reserve(hits=True)

    assert [desk.expire(call), desk.expire(call)] == [True, False]
    assert Call.objects.get(pk=call).rule_hits.count() == 1


def test_a_settled_hold_does_not_expire(desk: Desk) -> None:
    call = desk.reserve()
    desk.settle(call, 70)

    assert not desk.expire(call)
    assert Call.objects.get(pk=call).status == "answered"


def test_an_unknown_hold_does_not_expire(desk: Desk) -> None:
    assert not desk.expire(new_id())


def test_a_late_settlement_corrects_the_interrupted_record(desk: Desk) -> None:
    call = desk.reserve(hits=True)
    desk.expire(call)

    desk.settle(call, 70, hits=True, provider="p", duration_ms=5)

    row = Call.objects.get(pk=call)
    assert (row.status, row.error_code, row.charged, row.is_estimated) == ("answered", "", 70, False)
    assert (row.provider, row.duration_ms, row.rule_hits.count()) == ("p", 5, 1)
    assert Hold.objects.get(pk=call).state == "adjusted"


def test_a_second_late_settlement_changes_nothing(desk: Desk) -> None:
    call = desk.reserve()
    desk.expire(call)
    desk.settle(call, 70)

    outcome = desk.settle(call, 80)

    assert not outcome.changed
    assert Call.objects.get(pk=call).charged == 70


def test_a_late_release_leaves_the_interrupted_record(desk: Desk) -> None:
    call = desk.reserve()
    desk.expire(call)

    desk.writer.call(journal.apply, JournalEntry(Release(hold=call, now=LATER), desk.record(call, status="failed")))

    assert Call.objects.get(pk=call).status == "interrupted"


# What staff delete in the meantime


def test_a_rule_that_is_deleted_does_not_hinder_settling(desk: Desk) -> None:
    call = desk.reserve()
    Rule.objects.filter(pk=desk.rule.pk).delete()

    desk.settle(call, 70, hits=True)

    assert list(RuleHit.objects.filter(call=call).values_list("rule", "name")) == [(None, "näme")]


def test_a_key_that_is_deleted_does_not_hinder_settling(desk: Desk) -> None:
    call = desk.reserve()
    ApiKey.objects.filter(pk=desk.key.pk).delete()

    desk.settle(call, 70)

    assert Call.objects.get(pk=call).api_key is None


def test_a_rule_and_a_key_that_are_deleted_do_not_hinder_expiring(desk: Desk) -> None:
    call = desk.reserve(hits=True)
    Rule.objects.filter(pk=desk.rule.pk).delete()
    ApiKey.objects.filter(pk=desk.key.pk).delete()

    assert desk.expire(call)
    assert Call.objects.get(pk=call).rule_hits.count() == 1


def test_a_student_who_is_deleted_leaves_no_hold_behind(desk: Desk) -> None:
    settled, expired = desk.reserve(hits=True), desk.reserve(hits=True)
    Membership.objects.filter(pk=desk.student.pk).delete()

    desk.settle(settled, 70, hits=True)
    desk.expire(expired)

    assert [Hold.objects.get(pk=hold).state for hold in (settled, expired)] == ["settled", "expired"]
    assert not Call.objects.filter(pk__in=[settled, expired]).exists()


def test_one_whose_course_is_gone_does_not_hinder_neighbours(desk: Desk) -> None:
    other = Desk(desk.writer, owner=desk.owner)
    call, gone = desk.reserve(), other.reserve()
    other.student.course.delete()

    record = Record(other.row(gone)._replace(charged=5))
    desk.writer.call(journal.apply, JournalEntry(Settle(hold=gone, charge=5, now=LATER), record))
    desk.settle(call, 70)

    assert Call.objects.get(pk=call).charged == 70
    assert Hold.objects.get(pk=gone).state == "settled"
