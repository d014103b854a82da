"""The ledger against a model of it that is too simple to be wrong: dictionaries, one movement at a time."""

from dataclasses import dataclass, replace

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.quotas.models import Hold, WeeklyUsage
from apps.quotas.movements import Account, Ended, Expire, Held, Movement, Release, Reserve, Settle, Short
from tests.quotas.test_ledger import STUDENT, checkpoint, drift, expire, move, release, reserve, settle

pytestmark = pytest.mark.django_db

IDS = [f"hold-{number}" for number in range(8)]
ACCOUNTS = [replace(STUDENT, id=number, limit=limit) for number, limit in enumerate((0, 40, 100, None))]


@dataclass(frozen=True, slots=True)
class Progress:
    """A checkpoint that was written down."""

    hold: str
    amount: int


@dataclass(slots=True)
class ModelHold:
    accounts: tuple[Account, ...]
    amount: int
    floor: int
    checkpoint: int = 0
    state: str = "held"
    charged: int = 0


class Model:
    def __init__(self) -> None:
        self.holds: dict[str, ModelHold] = {}

    def used(self, account: Account) -> int:
        return sum(hold.charged for hold in self.holds.values() if account in hold.accounts)

    def held(self, account: Account) -> int:
        open_ones = (hold for hold in self.holds.values() if hold.state == "held")
        return sum(hold.amount for hold in open_ones if account in hold.accounts)

    def apply(self, movement: Movement | Progress) -> object:
        if isinstance(movement, Reserve):
            return self._reserve(movement)
        hold = self.holds.get(movement.hold)
        if hold is None:
            return None
        if isinstance(movement, Progress):
            if hold.state == "held":
                hold.checkpoint = movement.amount
        elif hold.state == "held":
            self._end(hold, movement)
        elif hold.state == "expired" and isinstance(movement, Settle):
            hold.state, hold.charged = "adjusted", movement.charge
        return hold.state, hold.charged

    def _reserve(self, movement: Reserve) -> object:
        remaining = [
            max(0, account.limit - self.used(account) - self.held(account))
            for account in movement.accounts
            if account.limit is not None
        ]
        amount = min([movement.amount, *remaining])
        if amount < movement.least:
            return "short"
        self.holds[movement.hold] = ModelHold(movement.accounts, amount, movement.floor)
        return "held", amount

    @staticmethod
    def _end(hold: ModelHold, movement: Settle | Release | Expire) -> None:
        if isinstance(movement, Settle):
            hold.state, hold.charged = "settled", movement.charge
        elif isinstance(movement, Release):
            hold.state = "released"
        else:
            hold.state, hold.charged = "expired", max(hold.floor, hold.checkpoint)


def real(movement: Movement | Progress) -> object:
    """The ledger's answer in the words of the model."""
    if isinstance(movement, Progress):
        checkpoint(movement.hold, movement.amount)
        row = Hold.objects.filter(id=movement.hold).first()
        return row and (row.state, row.charged or 0)
    (outcome,) = move(movement)
    if isinstance(outcome, Held):
        return "held", outcome.amount
    if isinstance(outcome, Short):
        return "short"
    return (outcome.state, outcome.charged) if isinstance(outcome, Ended) else None


@st.composite
def stories(draw: st.DrawFn) -> list[Movement | Progress]:
    """Movements and checkpoints in any order; a hold is reserved at most once."""
    unused, story = list(IDS), []
    for kind in draw(st.lists(st.sampled_from(["reserve", "reserve", *MOVES]), min_size=1, max_size=25)):
        amount = draw(st.integers(0, 60))
        if kind == "reserve":
            if unused:
                accounts = draw(st.lists(st.sampled_from(ACCOUNTS), min_size=1, max_size=3, unique=True))
                least, floor = draw(st.integers(0, amount)), draw(st.integers(0, 20))
                story.append(reserve(unused.pop(0), amount, *accounts, least=least, floor=floor))
        else:
            story.append(MOVES[kind](draw(st.sampled_from(IDS)), amount))
    return story


MOVES = {
    "settle": settle,
    "progress": Progress,
    "release": lambda hold, _: release(hold),
    "expire": lambda hold, _: expire(hold),
}


@given(story=stories())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
def test_the_ledger_answers_as_its_model_does(story: list[Movement | Progress]) -> None:
    model = Model()
    with transaction.atomic():
        for movement in story:
            assert real(movement) == model.apply(movement)
            for week in WeeklyUsage.objects.all():
                account = ACCOUNTS[week.account]
                assert (week.used, week.held) == (model.used(account), model.held(account))
        assert drift() == []
        transaction.set_rollback(True)
