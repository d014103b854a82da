"""What a process remembers of instances, and tells the others."""

import random
from datetime import datetime, timedelta
from typing import Any

from apps.common.breaker import Window
from apps.common.health.states import Standing, State
from apps.services.attempts import AttemptMemory
from apps.services.balancing import InstanceShare
from apps.services.health.memory import Instances, Reason
from apps.services.health.news import InstanceNews
from apps.services.registry import BreakerPolicy, Entry, HealthCheck
from tests.services.unit.values import NOW, endpoint, entry

A = endpoint(1)
POLICY = BreakerPolicy(misses=3, window=Window(share=0.5, at_least=6), pause=10.0, longest=40.0)


def service(**overrides: Any) -> Entry:
    return entry(A, endpoint(2), **{"breaker": POLICY, **overrides})


def instances() -> Instances:
    return Instances(rng=random.Random(1))


def fails(
    of: Instances, reason: Reason = "unreachable", *, now: datetime = NOW, times: int = 1, **options: Any
) -> None:
    for _ in range(times):
        turn = of.begins(service(**options), A)
        of.failed(turn, reason, "It failed.", now=now)
        of.ended(turn)


def answers(of: Instances, *, now: datetime = NOW, times: int = 1) -> None:
    for _ in range(times):
        turn = of.begins(service(), A)
        of.answered(turn, now=now)
        of.ended(turn)


# Opening


def test_so_many_failures_in_a_row_open_it() -> None:
    of = instances()

    fails(of, times=2)
    assert not of.state(A).is_open

    fails(of)
    assert of.state(A).is_open
    assert of.state(A).reason == "unreachable"


def test_an_answer_in_between_begins_a_new_row() -> None:
    of = instances()

    for _ in range(5):
        fails(of, times=2)
        answers(of, times=3)

    assert not of.state(A).is_open


def test_errors_open_it_by_their_share_alone() -> None:
    of = instances()

    fails(of, "error", times=5)
    assert not of.state(A).is_open

    fails(of, "error")
    assert of.state(A).is_open


def test_few_errors_among_many_answers_do_not() -> None:
    of = instances()

    for _ in range(20):
        answers(of, times=2)
        fails(of, "error")

    assert not of.state(A).is_open


def test_each_failed_trial_doubles_the_pause_up_to_the_longest() -> None:
    of, now, pauses = instances(), NOW, []
    fails(of, times=3)

    for _ in range(4):
        until = of.state(A).until
        assert until is not None
        pauses.append((until - now).total_seconds())
        now = until
        fails(of, now=now)

    for pause, shortest in zip(pauses, (10, 20, 40, 40), strict=True):
        assert shortest <= pause <= shortest * 1.1


def test_a_failure_within_the_pause_changes_nothing() -> None:
    of = instances()
    fails(of, times=3)
    before = of.state(A)

    fails(of, times=5, now=NOW + timedelta(seconds=1))

    assert of.state(A) == before


def test_a_good_trial_closes_it() -> None:
    of = instances()
    fails(of, times=3)

    answers(of, now=NOW + timedelta(seconds=11))

    assert of.state(A) == State(since=NOW + timedelta(seconds=11))


def test_with_health_checks_requests_wait_with_trials() -> None:
    of = instances()
    fails(of, times=3, health=HealthCheck(path="/health"))
    state = of.state(A)
    assert state.until is not None

    assert not state.may_be_tried(state.until)
    assert state.may_be_tried(state.until + timedelta(seconds=60))


def test_only_requests_of_the_last_half_minute_are_recent() -> None:
    """However long none has come since."""
    of = instances()
    answers(of, times=7)

    assert of.recent([A], now=NOW + timedelta(seconds=29)) == 7
    assert of.recent([A], now=NOW + timedelta(seconds=30)) == 0


# Turns


def test_what_was_sent_before_it_opened_says_nothing_new() -> None:
    of = instances()
    early = [of.begins(service(), A) for _ in range(5)]
    fails(of, times=3)
    opened = of.state(A)

    of.answered(early[0], now=NOW)
    of.failed(early[1], "unreachable", "It failed.", now=NOW + timedelta(days=1))
    for turn in early:
        of.ended(turn)

    assert of.state(A) == opened
    assert of.in_flight(A) == 0


def test_one_trial_is_known_to_be_under_way() -> None:
    of = instances()
    fails(of, times=3)

    turn = of.begins(service(), A)
    assert of.is_on_trial(A)

    of.ended(turn)
    assert not of.is_on_trial(A)


def test_a_caller_that_leaves_says_nothing() -> None:
    of = instances()

    for _ in range(50):
        of.ended(of.begins(service(), A))

    assert (of.state(A), of.in_flight(A), of.recent([A], now=NOW)) == (State(), 0, 0)


# Too much was asked


def test_too_many_requests_is_no_failure() -> None:
    of = instances()

    for _ in range(50):
        turn = of.begins(service(), A)
        of.cooled(turn, 5.0, now=NOW)
        of.ended(turn)

    assert of.state(A).is_cooling(NOW)
    assert not of.state(A).is_cooling(NOW + timedelta(seconds=5))
    assert not of.news(NOW)


def test_it_cools_down_for_half_a_minute_at_most() -> None:
    of = instances()

    of.cooled(of.begins(service(), A), 86_400.0, now=NOW)

    assert not of.state(A).is_cooling(NOW + timedelta(seconds=30))


# Shared with others


def shared(news: InstanceNews, version: int = 1) -> dict[int, tuple[State, int]]:
    return {verdict.instance: (verdict.state, version) for verdict in news.verdicts}


def test_another_process_takes_over_what_one_found() -> None:
    one, other = instances(), instances()
    fails(one, times=3)

    news = one.news(NOW)
    one.written({1: 1})
    other.read(shared(news))

    assert other.state(A) == one.state(A)
    assert not one.news(NOW)


def test_what_is_read_is_not_older_than_what_was_found() -> None:
    of = instances()
    of.read({1: (State(), 3)})
    fails(of, times=3)

    of.read({1: (State(), 3)})

    assert of.state(A).is_open


def test_news_that_could_not_be_written_is_kept() -> None:
    of = instances()
    fails(of, times=3)
    news = of.news(NOW)

    of.kept_back(news)

    assert of.news(NOW) == news


def test_failures_that_open_nothing_are_told_now_and_then() -> None:
    of = instances()

    fails(of)
    assert of.news(NOW).failures == {1: ("It failed.", NOW)}

    fails(of, now=NOW + timedelta(seconds=1))
    assert not of.news(NOW)


def test_a_verdict_that_was_written_does_not_hide_a_later_one() -> None:
    """Another process judges it, and is read, while this one waits for the database."""
    of = instances()
    fails(of, times=3)
    of.news(NOW)
    of.read({1: (State(), 2)})

    of.written({1: 1})
    fails(of, times=3)

    assert [verdict.version for verdict in of.news(NOW).verdicts] == [2]


def test_a_deleted_instance_is_forgotten_once_it_answers_no_more() -> None:
    of = instances()
    turn = of.begins(service(), A)
    of.failed(turn, "error", "It failed.", now=NOW)
    of.read({1: (State(standing=Standing.OPEN, since=NOW), 1)})

    of.keep({1})
    assert of.state(A).is_open
    of.keep(())
    of.ended(turn)
    of.keep(())

    assert (of.state(A), of.in_flight(A)) == (State(), 0)


def test_what_belongs_to_deleted_services_is_forgotten() -> None:
    memory, other = AttemptMemory(), service(id=8)
    for each in (service(), other):
        memory.budgets[each.id].take(0.0, requests=9)
        memory.rotations[each.id].next([InstanceShare(A, 1.0, 0)])

    memory.keep([other], {})

    assert memory.budgets.keys() == memory.rotations.keys() == {8}
