"""What the data plane notices about keys: when one was used last, and what somebody should look at."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.accounts.audit.sightings import GUESSES, MOST_ADDRESSES, MOST_AT_ONCE, ROAMING, Noticed, Sightings, Watch
from apps.accounts.audit.watching import write
from apps.accounts.models import ApiKey, AuditEntry, Membership, StaffKey
from tests import factories

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
HERE = "192.0.2.1"


def after(**passed: float) -> datetime:
    return NOW + timedelta(**passed)


def judged(watch: Watch, *keys: tuple[int, str], now: datetime = NOW, **guesses: int) -> Noticed:
    findings = watch.judge(set(keys), {name.replace("_", "."): count for name, count in guesses.items()}, now=now)
    watch.written(findings, now=now)
    return findings


def test_a_use_is_due_once_a_minute() -> None:
    watch = Watch()

    uses = [judged(watch, (1, HERE), now=after(seconds=seconds)).uses for seconds in (0, 1, 59, 60, 61)]

    assert uses == [(1,), (), (), (1,), ()]


def test_what_could_not_be_written_is_due_again() -> None:
    watch = Watch()
    watch.judge({(1, HERE)}, {}, now=NOW)

    assert watch.judge({(1, HERE)}, {}, now=after(seconds=1)).uses == (1,)


def test_a_key_from_many_networks_is_told_once_an_hour() -> None:
    watch = Watch()
    places = [(1, f"198.51.{n}.7") for n in range(ROAMING)]

    assert not judged(watch, *places[:-1]).roaming
    assert judged(watch, places[-1], now=after(minutes=5)).roaming == {1: ROAMING}
    assert not judged(watch, places[0], now=after(minutes=6)).roaming


def test_many_machines_of_one_network_are_no_sign(  # a laboratory, or a phone whose address changes
) -> None:
    four = [(1, f"198.51.100.{n}") for n in range(1, 60)]
    six = [(2, f"2001:db8:1:{n:x}::1") for n in range(1, 60)]

    assert not judged(Watch(), *four, *six).roaming


def test_networks_of_long_ago_do_not_count() -> None:
    watch = Watch()

    assert not any(judged(watch, (1, f"198.51.{n}.7"), now=after(minutes=15 * n)).roaming for n in range(20))


def test_guesses_from_an_address_are_told_once_a_window() -> None:
    watch = Watch()

    found = [judged(watch, now=after(seconds=n), **{"192_0_2_1": 7}).guessing for n in range(6)]

    assert [dict(one) for one in found] == [{}, {}, {HERE: 21}, {}, {}, {}]
    assert judged(watch, now=after(minutes=11), **{"192_0_2_1": GUESSES}).guessing == {HERE: GUESSES}


def test_addresses_of_one_ipv6_network_count_together() -> None:
    watch = Watch()
    guesses = {f"2001:db8:0:1::{n:x}": 1 for n in range(GUESSES)}

    assert watch.judge(set(), guesses, now=NOW).guessing == {"2001:db8:0:1::/64": GUESSES}


def test_a_flood_from_everywhere_writes_little() -> None:
    watch, sightings = Watch(), Sightings()
    for n in range(MOST_ADDRESSES + 500):
        for _ in range(2):
            sightings.guessed(f"10.{n // 65536}.{n // 256 % 256}.{n % 256}")
    _, guesses = sightings.take()

    assert len(guesses) == MOST_ADDRESSES
    told = 0
    for n in range(300):
        findings = watch.judge(set(), dict.fromkeys(guesses, GUESSES), now=after(seconds=n))
        watch.written(findings, now=NOW)
        assert len(findings.guessing) <= MOST_AT_ONCE
        told += len(findings.guessing)
    assert told <= 11 * MOST_AT_ONCE


def test_an_empty_finding_is_false() -> None:
    assert not Noticed()
    assert Noticed(uses=(1,))


# Writing


@pytest.fixture
def key(ada: Membership) -> ApiKey:
    return ApiKey.issue(membership=ada)[0]


def last_event() -> AuditEntry:
    return AuditEntry.objects.filter(is_security=True).latest("pk")


@pytest.mark.django_db
def test_the_last_use_is_written_and_no_entry_of_it(key: ApiKey) -> None:
    before = AuditEntry.objects.count()

    write(Noticed(uses=(key.pk, 10**9)), now=key.created_at)

    key.refresh_from_db()
    assert key.last_used_at == key.created_at
    assert AuditEntry.objects.count() == before


@pytest.mark.django_db
def test_a_dormant_key_that_wakes_is_a_security_event(key: ApiKey) -> None:
    write(Noticed(uses=(key.pk,)), now=key.created_at)
    late = key.created_at + timedelta(days=91)

    write(Noticed(uses=(key.pk,)), now=late)
    write(Noticed(uses=(key.pk,)), now=late + timedelta(minutes=1))

    event = last_event()
    assert (event.action, event.object_id, event.course) == ("key.woke", str(key.pk), key.membership.course_id)
    assert AuditEntry.objects.filter(action="key.woke").count() == 1


@pytest.mark.django_db
def test_staff_keys_tell_the_same_at_once() -> None:
    key, _ = StaffKey.issue(user=factories.make_operator())
    for days in (0, 91, 91.01):
        key.note_use(now=key.created_at + timedelta(days=days))
        key.refresh_from_db()

    assert key.last_used_at == key.created_at + timedelta(days=91.01)
    assert [event.action for event in AuditEntry.objects.filter(is_security=True)] == ["staff_key.woke"]


@pytest.mark.django_db
def test_several_processes_tell_of_the_same_once(key: ApiKey) -> None:
    now = datetime.now(UTC)
    for _ in range(2):
        write(Noticed(roaming={key.pk: 6}, guessing={HERE: 25}), now=now)

    events = AuditEntry.objects.filter(is_security=True).order_by("pk")
    assert [(event.action, event.address) for event in events] == [("key.many_networks", ""), ("key.guessed", HERE)]


@pytest.mark.django_db
def test_the_last_use_of_many_takes_few_statements(ada: Membership, django_assert_max_num_queries: Any) -> None:
    ids = tuple(ApiKey.issue(membership=ada)[0].pk for _ in range(32))

    with django_assert_max_num_queries(2 * 4):  # for each 16: begin, read, write, end
        write(Noticed(uses=ids), now=datetime.now(UTC))
