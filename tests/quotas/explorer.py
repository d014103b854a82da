"""Every state that a few calls can bring the ledger into: an enumeration that drives the ledger's own `decide`.

Calls of two processes draw on two accounts in two weeks. Processes crash, or are taken for dead while they go on;
sweepers expire what dead ones held; the week ends; staff change a limit. Whatever a hold's end is, all that may still
arrive for it (duplicates, reports that were overtaken, sweeps by a stale list) is tried on it at once. `explore`
returns the shortest way to a broken promise, if there is one.

So that it takes seconds, calls are interchangeable, processes are too, and a call for which nothing can come any more
is remembered by what it was charged alone.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from apps.quotas.ledger.decide import Fold, HoldRow, WeekRow, decide
from apps.quotas.ledger.movements import Account, Expire, Held, Movement, Outcome, Release, Reserve, Settle
from apps.quotas.weeks import Week

NOW = datetime(2026, 11, 16, tzinfo=UTC)
EDGES = [NOW + timedelta(days=7) * number for number in range(3)]
WEEKS = [Week(start, end, "UTC") for start, end in pairwise(EDGES)]
LIMIT, CUT, RAISED, SHARED_LIMIT = 4, 2, 6, 3
AMOUNT, LEAST, FLOOR = 2, 1, 1
CHARGES = (1, 3)  # what a call turns out to cost: less than its hold, or more
ALIVE, MISSING, DEAD = "alive", "missing", "dead"  # missing: it goes on, and is taken for dead

Sums = tuple[tuple[int, int], ...]  # used and held: of both accounts in the first week, and in the second


class Call(NamedTuple):
    """What is true of a call, and of its hold. `said` is what its process reported: 0 for a release.

    `by` is who ended it first, which decides what it owes: its process or a sweeper.
    """

    at: str = "new"  # checked, refused, held, sent, over, past
    owner: int = 0
    said: int = -1
    by: str = ""
    is_sent: bool = False
    week: int = 0
    state: str = ""
    amount: int = 0
    charged: int = 0


class World(NamedTuple):
    calls: tuple[Call, ...]
    owners: tuple[str, str]
    sums: Sums
    week: int
    limit: int


class Broken(Exception):
    """A promise was not kept."""


@dataclass(frozen=True, slots=True)
class Design:
    """The ledger as it is; a mistake replaces one of these."""

    decide: Callable[[Fold, Movement], Outcome] = decide
    sweeps: tuple[str, ...] = (MISSING, DEAD)
    releases: tuple[str, ...] = ("held",)
    is_checked_apart: bool = False
    is_sent_unheld: bool = False
    # What happens around it: a smaller world has room for more calls.
    ends_week: bool = True
    limits: tuple[int, ...] = (CUT, RAISED)


@dataclass(frozen=True, slots=True)
class Found:
    states: int
    way: tuple[str, ...] = ()
    broken: str = ""


def explore(design: Design, *, calls: int) -> Found:
    """Breadth first, so that the way to a mistake is a shortest one."""
    first = World((Call(),) * calls, (ALIVE, ALIVE), ((0, 0),) * 4, 0, LIMIT)
    seen: dict[World, tuple[World, str] | None] = {first: None}
    met = {first}  # as they came, before those that are alike are taken for one
    steps, frontier = _Steps(design), [first]
    while frontier:
        following: list[World] = []
        for world in frontier:
            name = ""
            try:
                for name, after in steps.of(world):
                    if after in met:
                        continue
                    met.add(after)
                    _check(after, design)
                    same = _canonical(after)
                    if same not in seen:
                        seen[same] = (world, name)
                        following.append(same)
                    name = ""  # what breaks from here on breaks in the next step, which has no name yet
            except Broken as broken:
                return Found(len(seen), (*_way(seen, world), name), str(broken))
        frontier = following
    return Found(len(seen))


def _way(seen: dict[World, tuple[World, str] | None], world: World) -> tuple[str, ...]:
    steps: list[str] = []
    while (before := seen[world]) is not None:
        world, name = before
        steps.append(name)
    return tuple(reversed(steps))


def _canonical(world: World) -> World:
    calls = [_kept(call, world.owners) for call in world.calls]
    there = sorted(calls), world.owners
    back = sorted(call._replace(owner=1 - call.owner) if call.state else call for call in calls), world.owners[::-1]
    same, owners = min(there, back)
    return world._replace(calls=tuple(same), owners=owners)  # type: ignore[arg-type]


def _kept(call: Call, owners: tuple[str, str]) -> Call:
    """What has to be remembered of a call."""
    if call.at == "refused":
        return Call("refused")
    is_silent = call.at == "over" or owners[call.owner] == DEAD
    return Call("past", week=call.week, charged=call.charged) if call.by and is_silent else call


class _Steps:
    def __init__(self, design: Design) -> None:
        self._design = design
        self._known: dict[object, tuple[Outcome, Call, Sums]] = {}

    def of(self, world: World) -> Iterator[tuple[str, World]]:
        yield from self._around(world)
        for place, call in enumerate(world.calls):
            if place and call == world.calls[place - 1]:
                continue  # the same step
            for name, after in self._of_call(world, call):
                sums = world.sums
                if isinstance(after, tuple) and not isinstance(after, Call):
                    after, sums = after
                yield name, world._replace(calls=(*world.calls[:place], after, *world.calls[place + 1 :]), sums=sums)

    def _around(self, world: World) -> Iterator[tuple[str, World]]:
        for owner, state in enumerate(world.owners):
            for after in {ALIVE: (MISSING, DEAD), MISSING: (DEAD,), DEAD: ()}[state]:
                owners = (after, world.owners[1]) if owner == 0 else (world.owners[0], after)
                yield f"process {owner} is {after}", world._replace(owners=owners)
        if world.week == 0 and self._design.ends_week:
            yield "the week ends", world._replace(week=1)
        if world.limit == LIMIT:
            for limit in self._design.limits:
                yield f"the limit is {limit} now", world._replace(limit=limit)

    def _of_call(self, world: World, call: Call) -> Iterator[tuple[str, Call | tuple[Call, Sums]]]:
        design = self._design
        if call.at in ("new", "checked"):
            yield from self._reserving(world, call)
            return
        if call.at in ("refused", "past"):
            return
        is_running = world.owners[call.owner] != DEAD
        if is_running and call.at == "held":
            yield "send", call._replace(at="sent", is_sent=True)
        if is_running and call.at in design.releases:
            yield "release", self._said(world, call, 0)
        if is_running and call.at == "sent":
            for charge in CHARGES:
                yield f"settle {charge}", self._said(world, call, charge)
        if world.owners[call.owner] in design.sweeps and call.state == "held":
            yield "sweep", self._swept(world, call)

    def _reserving(self, world: World, call: Call) -> Iterator[tuple[str, Call | tuple[Call, Sums]]]:
        if call.at == "checked":
            yield "act", self._reserve(world, call, limit=None)  # by now, what was seen then may be gone
            return
        for owner in (0, 1):
            if world.owners[owner] != ALIVE:
                continue
            outcome, sums = self._reserve(world, call._replace(owner=owner), limit=world.limit)
            if self._design.is_checked_apart:
                yield "check", call._replace(owner=owner, at="checked" if outcome.at == "held" else "refused")
            else:
                yield "reserve", (outcome, sums)

    def _reserve(self, world: World, call: Call, *, limit: int | None) -> tuple[Call, Sums]:
        accounts = tuple(
            Account(kind, 1, most, WEEKS[world.week])
            for kind, most in (("student", limit), ("course", SHARED_LIMIT if limit is not None else None))
        )
        movement = Reserve(
            hold="call", owner="", accounts=accounts, amount=AMOUNT, least=LEAST, floor=FLOOR, identity="",
            now=NOW, expires_at=NOW,
        )  # fmt: skip
        outcome, after, sums = self._decide(world, call, movement)
        if isinstance(outcome, Held):
            drawn_on = sums[2 * world.week : 2 * world.week + 2]
            for (used, held), account in zip(drawn_on, (world.limit, SHARED_LIMIT), strict=True):
                if used + held > account:
                    raise Broken("more is held than there is room for")
            return after._replace(at="held", week=world.week), sums
        if sums != world.sums:
            raise Broken("a refusal changes something")
        return call._replace(at="sent" if self._design.is_sent_unheld else "refused", week=world.week), sums

    def _said(self, world: World, call: Call, charge: int) -> tuple[Call, Sums]:
        movement = Settle(hold="call", charge=charge, now=NOW) if charge else Release(hold="call", now=NOW)
        _, after, sums = self._decide(world, call, movement)
        self._arrive_again(world._replace(sums=sums), after)
        return after._replace(at="over", said=charge, by=call.by or "process"), sums

    def _swept(self, world: World, call: Call) -> tuple[Call, Sums]:
        _, after, sums = self._decide(world, call, Expire(hold="call", now=NOW))
        self._arrive_again(world._replace(sums=sums), after)
        return after._replace(by=call.by or "sweeper"), sums

    def _arrive_again(self, world: World, call: Call) -> None:
        """What ended stays as it is, whatever comes; only a report about an expired call may change it."""
        late: list[Movement] = [Release(hold="call", now=NOW), Expire(hold="call", now=NOW)]
        if call.state != "expired":
            late += [Settle(hold="call", charge=charge, now=NOW) for charge in CHARGES]
        for movement in late:
            _, after, sums = self._decide(world, call, movement)
            if (after, sums) != (call, world.sums):
                raise Broken("what had ended was moved again")

    def _decide(self, world: World, call: Call, movement: Movement) -> tuple[Outcome, Call, Sums]:
        key = (movement, call, world.sums, world.week)
        if key not in self._known:
            fold = fold_of(world, call)
            outcome = self._design.decide(fold, movement)
            hold = fold.holds.get("call")
            if hold is not None:
                call = call._replace(state=hold.state, amount=hold.amount, charged=hold.charged)
            sums = tuple((fold.weeks[id].used, fold.weeks[id].held) for id in range(4))
            self._known[key] = outcome, call, sums
        return self._known[key]


def fold_of(world: World, call: Call) -> Fold:
    """The rows that the ledger would have read."""
    places = [Account(kind, 1, None, week) for week in WEEKS for kind in ("student", "course")]
    keys = [place.key for place in places]
    weeks = {id: WeekRow(id, used, held) for id, (used, held) in enumerate(world.sums)}
    holds: dict[str, HoldRow] = {}
    if call.state:
        drawn_on = (2 * call.week, 2 * call.week + 1)
        holds["call"] = HoldRow("call", call.state, call.amount, FLOOR, 0, call.charged, "", drawn_on)
    return Fold(weeks=weeks, week_ids={key: id for id, key in enumerate(keys)}, holds=holds)


def _check(world: World, design: Design) -> None:
    """What is promised in every state."""
    due = [[0, 0], [0, 0]]
    for call in world.calls:
        due[call.week][0] += _owed(call)
        due[call.week][1] += call.amount if call.state == "held" else 0
    for id, (used, held) in enumerate(world.sums):
        if used < 0 or held < 0:
            raise Broken("less than nothing is used or held")
        if held != due[id // 2][1]:
            raise Broken("what is held is not what open calls hold")
        if used != due[id // 2][0]:
            raise Broken("what is used is not what the calls of that week owe")
    for call in world.calls:
        if call.at == "sent" and not call.state:
            raise Broken("a call was sent without a hold")
        if call.by == "sweeper" and world.owners[call.owner] == ALIVE:
            raise Broken("the call of a living process was ended by another")
        if call.by and call.is_sent and call.charged < FLOOR:
            raise Broken("an answer was given away")
        if call.by and call.charged != _owed(call):
            raise Broken("a call was charged something else than it owes")
        if call.state == "held" and world.owners[call.owner] == DEAD and DEAD not in design.sweeps:
            raise Broken("nobody will ever end the hold of a dead process")


def _owed(call: Call) -> int:
    """What was reported, however late; nothing if it was never sent and given back in time; else at least the floor."""
    if call.at == "past":
        return call.charged
    if not call.by or not call.state:
        return 0
    if call.said > 0:
        return call.said
    return FLOOR if call.by == "sweeper" else 0
