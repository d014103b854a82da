"""How often an address may fail to say who it is."""

import pytest

from apps.quotas.rate_limits import addresses
from apps.quotas.rate_limits.addresses import AddressLimit, counted_as
from apps.quotas.rate_limits.limits import SECOND, WINDOW


class Clock:
    now = 0

    def __call__(self) -> int:
        return self.now


def test_the_limit_holds_in_any_minute_and_says_how_long_to_wait() -> None:
    clock = Clock()
    limit = AddressLimit(3, clock=clock)
    for _ in range(3):
        assert limit.count("192.0.2.1").wait == 0
        clock.now += 10 * SECOND

    assert limit.count("192.0.2.1").wait == 30
    assert limit.count("192.0.2.2").wait == 0

    clock.now = WINDOW - 1
    assert 0 < limit.count("192.0.2.1").wait < 0.001
    clock.now = WINDOW
    assert limit.count("192.0.2.1").wait == 0
    assert limit.count("192.0.2.1").wait == 10


def test_what_succeeded_does_not_count() -> None:
    limit = AddressLimit(1, clock=Clock())

    for _ in range(5):
        limit.forgive(attempt := limit.count("192.0.2.1"))
        assert attempt.wait == 0


def test_refusals_do_not_prolong_the_wait() -> None:
    clock = Clock()
    limit = AddressLimit(1, clock=clock)
    for clock.now in range(0, WINDOW, SECOND):
        limit.count("192.0.2.1")

    clock.now = WINDOW
    assert limit.count("192.0.2.1").wait == 0


def test_each_of_several_processes_counts_its_share() -> None:
    limit = AddressLimit(5, processes=2, clock=Clock())

    assert [limit.count("192.0.2.1").wait for _ in range(4)] == [0, 0, 0, 60]


SAME = {
    "a network of IPv6": ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"),
    "IPv4 within IPv6": ("::ffff:192.0.2.1", "192.0.2.1"),
    "a zone": ("fe80::1%eth0", "fe80::2"),
    "no address": ("", "unix:"),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME.keys())
def test_these_count_as_one(one: str, other: str) -> None:
    assert counted_as(one) == counted_as(other)


@pytest.mark.parametrize(("one", "other"), [("192.0.2.1", "192.0.2.2"), ("2001:db8:1:2::1", "2001:db8:1:3::1")])
def test_these_count_apart(one: str, other: str) -> None:
    assert counted_as(one) != counted_as(other)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "MOST_ADDRESSES", 10)
    limit = AddressLimit(1, clock=Clock())
    limit.count("192.0.2.1")

    for number in range(50):
        limit.count(f"2001:db8:{number:x}::1")
        assert limit.count("192.0.2.1").wait == 60, "The one counted last is remembered."

    assert len(limit) == 10
