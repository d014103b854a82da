"""The ledger's life, step by step, beside a model of it.

Movements queue as they do for the writer, and are committed in batches; the database may go away at any commit, before
it or after it, and whoever waited then delivers again. The clock runs over the ends of weeks and over changes to and
from daylight saving time. After every step the books of all databases are those of the model.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from apps.quotas.ledger.audit import audit
from apps.quotas.ledger.movements import (
    Account,
    Correct,
    Expire,
    Grant,
    Held,
    Movement,
    Note,
    Outcome,
    Release,
    Reserve,
    Settle,
    Short,
)
from apps.quotas.weeks import week_at
from tests.quotas.books import Books, LostConnection
from tests.quotas.model import Model, ModelHold, told, week_of

# Helsinki leaves daylight saving time on 25 October, New York on 1 November; Lord Howe entered it, by half an hour, on
# 4 October. Kathmandu never does.
STARTS = [datetime(2026, month, day, 12, tzinfo=UTC) for month, day in ((10, 3), (10, 24), (10, 31), (3, 28))]
ZONES = {
    "student": ("Europe/Helsinki", 0),
    "course": ("America/New_York", 6),
    "institution": ("Australia/Lord_Howe", 3),
}

ACCOUNTS = (("student", 1), ("student", 2), ("course", 1), ("institution", 1))
OWNERS = ("left", "right")
IDS = [f"{number:032x}" for number in range(10)]
LEASE = timedelta(hours=8)
CHARGES = st.integers(0, 20) | st.integers(0, 240)  # less than a floor, or more than was held
AMOUNTS = st.integers(0, 60)
HOLDS = st.integers(0, len(IDS))  # which of those that were reserved so far; or else one that never was
PLACES = st.sampled_from(ACCOUNTS)

# Most often what is queued is committed at once; or it waits for company; or the database goes away.
FATES = st.sampled_from(["commit", "commit", "commit", "commit", "wait", "wait", "before", "after"])


class Life(RuleBasedStateMachine):
    """Two processes that share a ledger, and staff."""

    books: list[Books] = []  # set by the test

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.now = STARTS[0]
        self.limits: dict[tuple[str, int], int | None] = dict.fromkeys(ACCOUNTS, 100)
        self.unused = list(IDS)
        self.queue: list[Movement] = []
        self.delivered: list[Movement] = []
        self.unsure: list[Movement] = []  # whoever asked for these does not know what became of them
        self.past: dict[str, str] = {}
        self.staff = 0
        for books in self.books:
            books.start()

    @initialize(start=st.sampled_from(STARTS), calls=st.lists(st.tuples(PLACES, st.sampled_from(OWNERS)), max_size=4))
    def begin(self, start: datetime, calls: list[tuple[Any, str]]) -> None:
        self.now = start
        for place, owner in calls:
            self.reserve(places=[place], amount=30, least=10, floor=15, owner=owner, fate="commit")

    def teardown(self) -> None:
        assert audit().drifts == ()
        for books in self.books:
            books.start_over()

    # Calls

    @rule(places=st.lists(PLACES, min_size=1, max_size=3, unique=True), amount=AMOUNTS, least=AMOUNTS, floor=AMOUNTS,
          owner=st.sampled_from(OWNERS), fate=FATES)  # fmt: skip
    def reserve(self, places: Any, amount: int, least: int, floor: int, owner: str, fate: str) -> None:
        if not self.unused:
            return
        self._ask(
            Reserve(
                hold=self.unused.pop(0), owner=owner, accounts=tuple(self._account(place) for place in places),
                amount=max(amount, least), least=least, floor=min(floor, 20), identity="{}", now=self.now,
                expires_at=self.now + LEASE,
            ),
            fate,
        )  # fmt: skip

    @rule(number=HOLDS, relayed=st.integers(0, 120), fate=FATES)
    def checkpoint(self, number: int, relayed: int, fate: str) -> None:
        self._commit("commit")
        hold = self._hold(number)
        for books in self.books:
            try:
                books.checkpoint(hold, relayed, fate=fate)
            except LostConnection:
                continue
        if fate != "before":
            self.model.checkpoint(hold, relayed)

    @rule(number=HOLDS, charge=CHARGES, fate=FATES)
    def settle(self, number: int, charge: int, fate: str) -> None:
        """With usage, without it, with an odd one: to the ledger all are an amount. From a zombie as well."""
        self._ask(Settle(hold=self._hold(number), charge=charge, now=self.now), fate)

    @rule(number=HOLDS, fate=FATES)
    def release(self, number: int, fate: str) -> None:
        self._ask(Release(hold=self._hold(number), now=self.now), fate)

    @rule(died=st.sampled_from([(), ("left",), OWNERS, OWNERS]), fate=FATES)
    def sweep(self, died: tuple[str, ...], fate: str) -> None:
        """What every process does once a second: calls of dead ones end, and two sweepers see to it at once."""
        self._commit("commit")
        left = self.model.left_behind(set(died), self.now)
        assert [books.left_behind(set(died), self.now) for books in self.books] == [left] * len(self.books)
        self.queue += [Expire(hold=hold, now=self.now) for hold in [*left, *left]]
        self._commit("after" if fate == "after" else "commit")
        assert self.model.left_behind(set(died), self.now) == []  # I10

    # Trouble

    @rule(picks=st.lists(st.floats(0, 0.99), min_size=1, max_size=3), fate=FATES)
    def deliver_again(self, picks: list[float], fate: str) -> None:
        """Nothing that was done is done twice, whenever and however often it comes again."""
        self._commit("commit")
        again = [self.delivered[int(pick * len(self.delivered))] for pick in picks if self.delivered]
        before = [(books.weeks(), books.holds()) for books in self.books]
        late = [m for m in again if isinstance(m, Settle) and self._state(m.hold) == "expired"]
        self.queue += again
        self._commit(fate)
        if not late:
            assert [(books.weeks(), books.holds()) for books in self.books] == before

    @rule(fate=FATES)
    def make_up(self, fate: str) -> None:
        """The backlog: what nobody knows the fate of is delivered again; of a hold, its release."""
        self._commit("commit")
        waiting, self.unsure = self.unsure, []
        self.queue += [Release(hold=m.hold, now=self.now) if isinstance(m, Reserve) else m for m in waiting]
        self._commit(fate)

    # Staff

    @rule(
        kind=st.sampled_from(["grant", "correct", "correct"]),
        place=PLACES,
        amount=st.integers(-60, 40) | st.just(-60),
        fate=FATES,
    )
    def book(self, kind: str, place: Any, amount: int, fate: str) -> None:
        id, account = self._staff_id(kind), self._account(place)
        grant = Grant(id=id, account=account, amount=amount, actor=None, note="", now=self.now)
        correct = Correct(id=id, account=account, used_delta=amount, actor=None, note="", now=self.now)
        self._ask(grant if kind == "grant" else correct, fate)

    @rule(place=PLACES, limit=st.sampled_from([0, 30, 100, None]), boost=st.sampled_from([1, 1, 2, 3]), fate=FATES)
    def change_the_limit(self, place: Any, limit: int | None, boost: int, fate: str) -> None:
        """An override, and a boost that multiplies it."""
        self.limits[place] = None if limit is None else limit * boost
        note = Note(id=self._staff_id("change"), account=self._account(place), actor=None, note="More", now=self.now)
        self._ask(note, fate)

    # Time

    @rule(hours=st.integers(-1, 30), place=PLACES, offset=st.sampled_from([-1, 0, 1]), is_edge=st.booleans())
    def pass_time(self, hours: int, place: Any, offset: int, is_edge: bool) -> None:
        """A while, or a step back; or to the end of somebody's week, the instant before it and the instant after."""
        edge = self._account(place).week.ends_at + timedelta(microseconds=offset)
        self.now = edge if is_edge else self.now + timedelta(hours=hours)

    # How a step is taken

    def _account(self, place: tuple[str, int]) -> Account:
        kind, id = place
        zone, first = ZONES[kind]
        return Account(kind, id, self.limits[place], week_at(self.now, timezone=zone, first_day=first))

    def _hold(self, number: int) -> str:
        known = [*self.model.holds, *(movement.hold for movement in self.queue if isinstance(movement, Reserve))]
        return known[number % len(known)] if known and number < len(IDS) else "f" * 32

    def _staff_id(self, kind: str) -> str:
        self.staff += 1
        return f"{kind}-{self.staff:032x}"

    def _state(self, hold: str) -> str | None:
        known = self.model.holds.get(hold)
        return known.state if known else None

    def _ask(self, movement: Movement, fate: str) -> None:
        self.queue.append(movement)
        self._commit(fate)

    def _commit(self, fate: str) -> None:
        """All databases take the batch, or lose it, and those that answer give the answers of the model."""
        if fate == "wait" or not self.queue:
            return
        batch, self.queue = self.queue, []
        outcomes = [self._apply(books, batch, fate) for books in self.books]
        if fate != "commit":
            self.unsure += batch
        if fate == "before":
            return
        expected = [self.model.answer(movement) for movement in batch]
        self.delivered += [movement for movement in batch if not isinstance(movement, Reserve)]
        for answers in outcomes:
            if answers is not None:
                assert [told(answer) for answer in answers] == expected
                _check_room(answers)

    def _apply(self, books: Books, batch: list[Movement], fate: str) -> list[Outcome] | None:
        try:
            return books.apply(batch, fate=fate)
        except LostConnection:
            return None

    # What is true after every step

    @invariant()
    def the_books_are_those_of_the_model(self) -> None:
        """I2, I3, I4: held, used and granted are the sums of holds, of charges and of the journal."""
        for books in self.books:
            weeks = books.weeks()
            assert weeks == {week: self.model.figures(week) for week in weeks} == books.sums()
            assert {week for hold in self.model.holds.values() for week in hold.weeks} <= weeks.keys()
            assert books.holds() == {id: _row(hold) for id, hold in self.model.holds.items()}  # I6: one for each call

    @invariant()
    def nothing_is_below_nothing(self) -> None:
        """I5."""
        assert all(min(figures) >= 0 for books in self.books for figures in books.weeks().values())

    @invariant()
    def a_hold_ends_once(self) -> None:
        """I7: and an expired one is adjusted once."""
        for id, hold in self.model.holds.items():
            before = self.past.get(id, "held")
            assert before in ("held", hold.state) or (before, hold.state) == ("expired", "adjusted")
            self.past[id] = hold.state

    @invariant()
    def what_goes_beyond_a_hold_is_flagged(self) -> None:
        """I1: without it, no week would have used more than it had room for."""
        beyond = {id: hold.charged - hold.amount for id, hold in self.model.holds.items()}
        expected = {id: excess for id, excess in beyond.items() if excess > 0}
        assert all(books.excess() == expected for books in self.books)


def _check_room(outcomes: list[Outcome]) -> None:
    """I1: whatever is held has room on each of its accounts; whatever is refused had none on the one that is named."""
    for outcome in outcomes:
        if isinstance(outcome, Held) and outcome.amount:
            assert all(b.limit is None or b.used + b.held <= b.limit for b in outcome.balances)
        if isinstance(outcome, Short):
            assert week_of(outcome.account) in {week_of(balance.account) for balance in outcome.balances}


def _row(hold: ModelHold) -> tuple[str, int, int, int]:
    return hold.state, hold.amount, hold.charged, hold.checkpoint
