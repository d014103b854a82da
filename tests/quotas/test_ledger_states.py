"""The life of a hold, checked in every state that four calls can reach; and the mistakes that the check refutes."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import settings

from apps.quotas.ledger.decide import Fold, decide
from apps.quotas.ledger.movements import Expire, Held, Movement, Outcome, Release, Reserve, Settle, Short
from tests.quotas.explorer import ALIVE, DEAD, MISSING, Design, explore

Decide = Callable[[Fold, Movement], Outcome]


def test_no_state_of_four_calls_breaks_a_promise() -> None:
    found = explore(Design(ends_week=False), calls=4)

    assert found.broken == "", found.way
    assert found.states > 10_000


def test_no_state_of_calls_around_the_end_of_a_week_breaks_a_promise() -> None:
    """Of three calls; of four in the battery, and staff change the limit as well, which are 180,000 states."""
    is_long = settings.default.max_examples >= 1_000

    found = explore(Design() if is_long else Design(limits=()), calls=4 if is_long else 3)

    assert found.broken == "", found.way
    assert found.states > 10_000


# Mistakes: each is the real ledger but for one thing


def as_if(kind: type[Movement], state: str, instead: str) -> Decide:
    """A movement of this kind meets a hold in one state, and takes it for one in another."""

    def mistaken(fold: Fold, movement: Movement) -> Outcome:
        hold = fold.holds.get("call")
        if isinstance(movement, kind) and hold is not None and hold.state == state:
            hold.state = instead
        return decide(fold, movement)

    return mistaken


def unless(kind: type[Movement], state: str) -> Decide:
    """A movement of this kind is dropped when it meets a hold in this state."""

    def mistaken(fold: Fold, movement: Movement) -> Outcome:
        hold = fold.holds.get("call")
        is_dropped = isinstance(movement, kind) and hold is not None and hold.state == state
        return None if is_dropped else decide(fold, movement)

    return mistaken


def then(kind: type[Movement], change: Callable[[Fold, Movement], None]) -> Decide:
    """Something else happens when a movement of this kind has changed a hold."""

    def mistaken(fold: Fold, movement: Movement) -> Outcome:
        outcome = decide(fold, movement)
        if isinstance(movement, kind) and fold.moves:
            change(fold, movement)
        return outcome

    return mistaken


def charge_the_other_week(fold: Fold, movement: Movement) -> None:
    for usage_id in fold.holds["call"].usage_ids:
        used = fold.holds["call"].charged
        fold.weeks[usage_id].used -= used
        fold.weeks[(usage_id + 2) % 4].used += used


def keep_the_hold(fold: Fold, movement: Movement) -> None:
    for usage_id in fold.holds["call"].usage_ids:
        fold.weeks[usage_id].held += fold.holds["call"].amount


def charge_nothing(fold: Fold, movement: Movement) -> None:
    hold = fold.holds["call"]
    for usage_id in hold.usage_ids:
        fold.weeks[usage_id].used -= hold.charged
    hold.charged = 0


def forget_one_account(fold: Fold, movement: Movement) -> None:
    fold.weeks[fold.holds["call"].usage_ids[1]].held += fold.holds["call"].amount


def charge_one_account(fold: Fold, movement: Movement) -> None:
    fold.weeks[fold.holds["call"].usage_ids[1]].used -= fold.holds["call"].charged


def charge_at_most_the_hold(fold: Fold, movement: Movement) -> None:
    hold = fold.holds["call"]
    for usage_id in hold.usage_ids:
        fold.weeks[usage_id].used -= max(0, hold.charged - hold.amount)
    hold.charged = min(hold.charged, hold.amount)


def hold_in_full(fold: Fold, movement: Movement) -> Outcome:
    """What remains counts only when it is nothing."""
    if not isinstance(movement, Reserve):
        return decide(fold, movement)
    outcome = decide(fold, movement)
    if isinstance(outcome, Held) and outcome.amount < movement.amount:
        hold = fold.holds["call"]
        for usage_id in hold.usage_ids:
            fold.weeks[usage_id].held += movement.amount - hold.amount
        hold.amount = movement.amount
    return outcome


def keep_a_part_when_refused(fold: Fold, movement: Movement) -> Outcome:
    """The first account is held before the second is asked."""
    outcome = decide(fold, movement)
    if isinstance(movement, Reserve) and isinstance(outcome, Short) and outcome.account != movement.accounts[0]:
        fold.weeks[fold.week_ids["student", 1, movement.accounts[0].week.starts_at]].held += movement.amount
    return outcome


def adjust_on_top(fold: Fold, movement: Movement) -> Outcome:
    """A late report is added to what the sweeper charged, instead of replacing it."""
    hold = fold.holds.get("call")
    before = hold.charged if hold is not None and hold.state == "expired" else 0
    outcome = decide(fold, movement)
    if isinstance(movement, Settle) and before and hold is not None:
        for usage_id in hold.usage_ids:
            fold.weeks[usage_id].used += before
    return outcome


def look_at_the_held_alone(fold: Fold, movement: Movement) -> Outcome:
    """What was used already does not count against the limit."""
    if not isinstance(movement, Reserve):
        return decide(fold, movement)
    used = {id: week.used for id, week in fold.weeks.items()}
    for week in fold.weeks.values():
        week.used = 0
    outcome = decide(fold, movement)
    for id, week in fold.weeks.items():
        week.used += used[id]
    return outcome


REAL = Design()
MISTAKES = {
    "a settlement that is not guarded": replace(REAL, decide=as_if(Settle, "settled", "held")),
    "a balance that is checked first and drawn on later": replace(REAL, is_checked_apart=True),
    "a sweep of a living process": replace(REAL, sweeps=(ALIVE, MISSING, DEAD)),
    "no sweep of a dead process": replace(REAL, sweeps=(MISSING,)),
    "a late report taken for a timely one": replace(REAL, decide=as_if(Settle, "expired", "held")),
    "a late report that is dropped": replace(REAL, decide=unless(Settle, "expired")),
    "a charge to the current week": replace(REAL, decide=then(Settle, charge_the_other_week)),
    "a release after the call was sent": replace(REAL, releases=("held", "sent"), decide=decide),
    "a release that counts twice": replace(REAL, decide=as_if(Release, "released", "held")),
    "a settlement that is released again": replace(REAL, decide=as_if(Release, "settled", "held")),
    "an expiry that is released again": replace(REAL, decide=as_if(Release, "expired", "held")),
    "a settlement that expires, by a stale list": replace(REAL, decide=as_if(Expire, "settled", "held")),
    "a release that expires, by a stale list": replace(REAL, decide=as_if(Expire, "released", "held")),
    "an expiry that counts twice": replace(REAL, decide=as_if(Expire, "expired", "held")),
    "an expiry that charges nothing": replace(REAL, decide=then(Expire, charge_nothing)),
    "an expiry that keeps the hold": replace(REAL, decide=then(Expire, keep_the_hold)),
    "a settlement that keeps the hold": replace(REAL, decide=then(Settle, keep_the_hold)),
    "a release that forgets an account": replace(REAL, decide=then(Release, forget_one_account)),
    "a settlement of one account alone": replace(REAL, decide=then(Settle, charge_one_account)),
    "an excess that is given away": replace(REAL, decide=then(Settle, charge_at_most_the_hold)),
    "an adjustment on top of the charge": replace(REAL, decide=adjust_on_top),
    "an adjustment that is made twice": replace(REAL, decide=as_if(Settle, "adjusted", "held")),
    "a hold of more than remains": replace(REAL, decide=hold_in_full),
    "a refusal that keeps a part of the hold": replace(REAL, decide=keep_a_part_when_refused),
    "a limit that forgets what was used": replace(REAL, decide=look_at_the_held_alone),
    "a call that is sent without a hold": replace(REAL, is_sent_unheld=True),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES.keys())
def test_the_check_refutes(mistake: Design) -> None:
    found = explore(mistake, calls=3)

    assert found.broken
