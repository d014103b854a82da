"""Rounds of health checks, against real instances."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.common import jobs
from apps.common.health.states import Standing, State
from apps.common.models import Revision
from apps.services.checking import rounds
from apps.services.checking.asking import CheckFinding
from apps.services.checking.findings import checked as checked_by_id
from apps.services.checking.findings import keep
from apps.services.health import rows
from apps.services.health.news import InstanceNews, InstanceVerdict
from apps.services.models import SERVICE_HEALTH_TOPIC, Instance, InstanceHealth
from tests import factories
from tests.services.instances import UsersInstance

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


class Times:
    """A clock that only tests move."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def look(times: Times, tmp_path: Path) -> Any:
    """A round, half a minute after the one before."""

    def look() -> int:
        times.now += timedelta(seconds=30)
        return rounds.look(owners=tmp_path, clock=times)

    return look


def instance(*urls: str, **overrides: Any) -> Instance:
    service = factories.make_service(*urls, **{"health_path": "/health", "health_timeout_seconds": 0.3, **overrides})
    row: Instance = service.instances.order_by("pk")[0]
    return row


def opened(now: datetime) -> State:
    return State(standing=Standing.OPEN, reason="unreachable", error="It failed.", since=now, until=now, times=1)


def health(row: Instance) -> InstanceHealth:
    return InstanceHealth.objects.get(pk=row.pk)


def test_a_good_check_is_taken_down(db: None, users: UsersInstance, look: Any) -> None:
    row = instance(users.url)

    assert look() == 1

    found = health(row)
    assert (found.streak, found.check_error, found.standing) == (1, "", Standing.WELL)
    assert found.latency_ms is not None
    assert found.checked_at is not None and found.check_at is not None
    assert 9 <= (found.check_at - found.checked_at).total_seconds() <= 11


def test_nobody_is_asked_before_the_time_or_without_a_path(
    db: None, users: UsersInstance, look: Any, times: Times, tmp_path: Path
) -> None:
    instance(users.url)
    instance(users.url, health_path="")
    instance(users.url, is_enabled=False)

    assert look() == 1
    assert rounds.look(owners=tmp_path, clock=times) == 0


def test_bad_checks_take_it_out_and_good_ones_bring_it_back(db: None, users: UsersInstance, look: Any) -> None:
    row = instance(users.url)
    users.plan(checks=({"how": "error", "times": 3},))

    for _ in range(3):
        look()
    assert (health(row).standing, health(row).error) == (Standing.OPEN, "Its health check answered 503.")

    look()
    assert health(row).standing == Standing.PROBATION
    look()
    assert health(row).standing == Standing.WELL


@pytest.mark.parametrize(
    ("how", "words"),
    [("hang", "did not answer its health check within 0.3 seconds"), ("drop", "broke off, or does not speak HTTP")],
)
def test_what_is_wrong_is_said(db: None, users: UsersInstance, look: Any, how: str, words: str) -> None:
    row = instance(users.url)
    users.plan(checks=({"how": how},))

    look()

    assert words in health(row).check_error


def test_one_that_is_down_refuses_connections(db: None, look: Any) -> None:
    row = instance("http://127.0.0.1:9")

    look()

    assert "refuses connections on port 9" in health(row).check_error


def test_a_private_address_is_only_asked_with_leave(db: None, users: UsersInstance, look: Any) -> None:
    row = instance(users.url, allow_private_network=False)

    look()

    assert "is an address inside a private network" in health(row).check_error
    assert users.checks == 0


def test_a_redirect_is_not_followed(db: None, users: UsersInstance, look: Any) -> None:
    row = instance(users.url)
    users.plan(checks=({"how": "error", "status": 302, "headers": [["location", "/elsewhere"]]},))

    look()

    assert health(row).check_error == "Its health check answered 302."


def test_one_that_hangs_keeps_no_other_waiting(db: None, users: UsersInstance, look: Any) -> None:
    """The good one is due again within the round, as the clock stands still for neither."""
    slow = instance("http://127.0.0.1:9", users.url, health_timeout_seconds=0.5)
    users.plan(checks=({"how": "hang"},))

    assert look() == 2

    good, hung = InstanceHealth.objects.get(pk=slow.pk), InstanceHealth.objects.exclude(pk=slow.pk).get()
    assert "refuses" in good.check_error
    assert "within 0.5 seconds" in hung.check_error


def test_even_one_that_hangs_for_longer_than_a_round(
    db: None, users: UsersInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "ROUND_SECONDS", 0.1)
    good = instance("http://127.0.0.1:9", health_interval_seconds=0.2)
    instance(users.url, health_timeout_seconds=1.5)
    users.plan(checks=({"how": "hang"},))

    rounds.look(owners=tmp_path, clock=lambda: datetime.now(UTC))

    assert health(good).streak <= -4


def test_who_has_waited_longest_comes_first(
    db: None, users: UsersInstance, look: Any, times: Times, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that those which take their time do not push others out for ever."""
    monkeypatch.setattr(rounds, "AT_ONCE", 1)
    rows = [instance(f"{users.url}/{n}", health_interval_seconds=60) for n in range(3)]
    begun: list[int] = []
    begin = rounds._ChecksUnderWay.begin
    monkeypatch.setattr(rounds._ChecksUnderWay, "begin", lambda *args: (begun.append(args[1].id), begin(*args))[1])
    look()
    for row, seconds in zip(rows, (5, 20, 10), strict=True):
        InstanceHealth.objects.filter(pk=row.pk).update(check_at=times.now + timedelta(seconds=30 - seconds))
    begun.clear()

    look()

    assert begun == [rows[1].pk, rows[2].pk, rows[0].pk]


def test_a_worker_that_stops_waits_for_no_check(
    db: None, users: UsersInstance, look: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = instance(users.url, health_timeout_seconds=60)
    users.plan(checks=({"how": "hang"},))
    stopping = threading.Event()
    monkeypatch.setattr(jobs, "stopping", stopping)
    threading.Timer(0.3, stopping.set).start()

    look()

    assert not InstanceHealth.objects.filter(pk=row.pk).exists()


def test_a_long_sentence_is_cut(db: None) -> None:
    row = instance("http://127.0.0.1:9", health_bad=1)
    [(checked, _)] = checked_by_id().values()

    keep(checked, CheckFinding(error="x" * 400), at=NOW, next_at=NOW)

    assert health(row).error == "x" * 300


def test_a_good_check_half_opens_what_requests_opened(db: None, users: UsersInstance, look: Any, times: Times) -> None:
    row = instance(users.url)
    state = opened(times.now)
    rows.write(InstanceNews((InstanceVerdict(row.pk, 0, state),)), times.now)
    before = Revision.objects.get(topic=SERVICE_HEALTH_TOPIC).number

    look()

    assert health(row).standing == Standing.PROBATION
    assert health(row).version == 2
    assert Revision.objects.get(topic=SERVICE_HEALTH_TOPIC).number == before + 1


def test_of_two_verdicts_of_one_version_the_first_counts(db: None) -> None:
    row = instance("http://127.0.0.1:9")
    news = InstanceNews((InstanceVerdict(row.pk, 0, opened(NOW)),))

    assert rows.write(news, NOW) == {row.pk: 1}
    assert rows.write(news, NOW) == {}
    assert rows.load()[row.pk] == (opened(NOW), 1)


def test_all_that_a_round_needs_is_read_at_once(db: None, django_assert_num_queries: Any) -> None:
    for port in range(9, 12):
        instance(f"http://127.0.0.1:{port}")

    with django_assert_num_queries(1):
        assert len(checked_by_id()) == 3


def test_another_address_begins_anew(db: None) -> None:
    row = instance("http://127.0.0.1:9", health_bad=1)
    rows.write(InstanceNews((InstanceVerdict(row.pk, 0, opened(NOW)),)), NOW)
    row.weight = 3
    row.save()
    assert health(row).standing == Standing.OPEN

    before = Revision.objects.get(topic=SERVICE_HEALTH_TOPIC).number
    row.url = "http://127.0.0.1:10"
    row.save()

    assert rows.load()[row.pk] == (State(), 2)
    assert Revision.objects.get(topic=SERVICE_HEALTH_TOPIC).number == before + 1


def test_news_of_a_deleted_instance_is_dropped(db: None) -> None:
    news = InstanceNews((InstanceVerdict(10**9, 0, opened(NOW)),), {10**9: ("It failed.", NOW)})

    assert rows.write(news, NOW) == {}
