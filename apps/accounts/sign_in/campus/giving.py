"""What a sign-in gives and takes, decided from what groups give, gave before, and what was given by hand. Pure.

Groups and people do not undo each other: what was given by hand stays when a group goes, and a member who was made
inactive by hand stays inactive whatever groups say.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from apps.accounts.sign_in.campus.grants import RANKS, highest

YES = "yes"  # what a person has by hand, where there are no roles


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What one issuer's groups gave. `is_held`: they still do. `by_hand`: what the person has without any groups."""

    role: str = ""
    by_hand: str = ""
    is_held: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberState:
    """A membership as it is."""

    role: str
    is_active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The membership and the memory of it from now on. `is_blocked`: groups give a role, but it was taken by hand."""

    seat: MemberState | None
    mine: Given | None
    is_blocked: bool = False


def seated(*, wanted: str, seat: MemberState | None, mine: Given | None, others: Sequence[Given] = ()) -> Outcome:
    """One course. `wanted` is the role that the groups of this issuer give, or nothing; `others` are other issuers'."""
    held = [given for given in others if given.is_held]
    if seat is not None and seat.role not in RANKS:
        return Outcome(seat=seat, mine=mine, is_blocked=bool(wanted))  # a service account is no person's
    if seat is not None and not seat.is_active and not _was_taken_by_sign_in(mine, others):
        return Outcome(seat=seat, mine=None, is_blocked=bool(wanted))
    by_hand = _by_hand(seat, mine, held)
    rest = highest(by_hand, *(given.role for given in held))
    if wanted:
        now = MemberState(role=highest(wanted, rest))
        return Outcome(seat=now, mine=Given(role=wanted, by_hand=by_hand))
    if mine is None or not mine.is_held:
        return Outcome(seat=seat, mine=mine)
    # Whoever makes the member active again by hand does not give back more than that.
    left = MemberState(role=rest) if rest else MemberState(role="student", is_active=False)
    return Outcome(seat=None if seat is None else left, mine=replace(mine, by_hand=by_hand, is_held=False))


def _was_taken_by_sign_in(mine: Given | None, others: Iterable[Given]) -> bool:
    """True if the member is inactive because groups went. Whoever had a role by hand keeps it when they go."""
    known = [given for given in (mine, *others) if given is not None]
    return bool(known) and not any(given.is_held or given.by_hand for given in known)


def _by_hand(seat: MemberState | None, mine: Given | None, held: Sequence[Given]) -> str:
    """The role without groups. Where the role is not what sign-in left behind, somebody has set it since."""
    if seat is None or not seat.is_active:
        return ""
    holding = [given for given in (mine, *held) if given is not None and given.is_held]
    if not holding:
        return seat.role
    remembered = holding[0].by_hand
    expected = highest(remembered, *(given.role for given in holding))
    return remembered if seat.role == expected else seat.role


def switched(
    *, wanted: bool, is_on: bool, mine: Given | None, others: Sequence[Given] = ()
) -> tuple[bool, Given | None]:
    """A right that one has or has not: operator, admin of a department, staff. The right and its memory from now on."""
    holding = [given for given in (mine, *others) if given is not None and given.is_held]
    by_hand = holding[0].by_hand if holding else YES if is_on else ""
    if wanted:
        return True, Given(by_hand=by_hand)
    if mine is None or not mine.is_held:
        return is_on, mine
    stays = bool(by_hand) or any(given.is_held for given in others)
    return is_on and stays, replace(mine, is_held=False)
