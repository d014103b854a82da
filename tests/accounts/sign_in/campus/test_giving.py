"""What groups give and take, beside what people give and take by hand."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.sign_in.campus.giving import Given, MemberState, Outcome, seated, switched
from apps.accounts.sign_in.campus.grants import RANKS, GroupRole, Wanted, wanted

GRANTS = [
    GroupRole(group="staff", course=1, role="instructor"),
    GroupRole(group="tutors", course=1, role="assistant"),
    GroupRole(group="tutors", course=2, role="assistant"),
    GroupRole(group="office", department=7),
    GroupRole(group="it", is_operator=True),
]


@pytest.mark.parametrize(
    ("groups", "given"),
    [
        ([], Wanted()),
        (["everybody", "Staff", "staff ", "st"], Wanted()),
        (["staff"], Wanted(roles={1: "instructor"})),
        (["tutors"], Wanted(roles={1: "assistant", 2: "assistant"})),
        (["tutors", "staff"], Wanted(roles={1: "instructor", 2: "assistant"})),
        (["office", "it"], Wanted(departments=frozenset({7}), is_operator=True)),
    ],
    ids=str,
)
def test_groups_give_what_grants_say_and_nothing_else(groups: list[str], given: Wanted) -> None:
    assert wanted(groups, GRANTS) == given


@given(groups=st.lists(st.text()))
def test_without_grants_no_group_gives_anything(groups: list[str]) -> None:
    assert wanted(groups, []).is_nothing


@dataclass
class Story:
    """A person in a course, over several sign-ins and changes by hand."""

    seat: MemberState | None = None
    mine: Given | None = None
    is_blocked: bool = False

    def signs_in(self, role: str = "", others: tuple[Given, ...] = ()) -> "Story":
        outcome: Outcome = seated(wanted=role, seat=self.seat, mine=self.mine, others=others)
        self.seat, self.mine, self.is_blocked = outcome.seat, outcome.mine, outcome.is_blocked
        return self

    def by_hand(self, role: str, *, is_active: bool = True) -> "Story":
        self.seat = MemberState(role=role, is_active=is_active)
        return self

    @property
    def has(self) -> str:
        return self.seat.role if self.seat is not None and self.seat.is_active else ""


def test_a_group_gives_and_takes() -> None:
    assert Story().signs_in("instructor").has == "instructor"
    assert Story().signs_in("instructor").signs_in().has == ""
    assert Story().signs_in("instructor").signs_in("assistant").has == "assistant"
    assert Story().signs_in("assistant").signs_in().signs_in("instructor").has == "instructor"


def test_without_groups_nothing_happens() -> None:
    assert Story().signs_in().seat is None
    assert Story().by_hand("instructor").signs_in().has == "instructor"


def test_the_role_by_hand_is_there_again_when_the_group_goes() -> None:
    story = Story().by_hand("student").signs_in("instructor")
    assert story.has == "instructor"

    assert story.signs_in().has == "student"


def test_the_higher_role_counts() -> None:
    assert Story().by_hand("instructor").signs_in("assistant").has == "instructor"
    assert Story().by_hand("instructor").signs_in("assistant").signs_in().has == "instructor"


def test_a_role_that_was_set_by_hand_meanwhile_stays() -> None:
    assert Story().signs_in("assistant").by_hand("instructor").signs_in().has == "instructor"
    assert Story().signs_in("assistant").by_hand("instructor").signs_in("assistant").signs_in().has == "instructor"
    assert Story().signs_in("instructor").by_hand("student").signs_in().has == "student"


def test_a_group_gives_back_what_was_lowered_by_hand() -> None:
    assert Story().signs_in("instructor").by_hand("student").signs_in("instructor").has == "instructor"


@pytest.mark.parametrize("before", ["", "assistant", "instructor"])
def test_who_was_made_inactive_by_hand_stays_so_whatever_groups_say(before: str) -> None:
    story = Story().signs_in(before).by_hand("instructor", is_active=False)

    for role in ("instructor", "", "instructor", "", "student"):
        assert story.signs_in(role).has == ""
        assert story.is_blocked is bool(role)


def test_who_is_active_again_by_hand_keeps_no_more_than_that() -> None:
    story = Story().signs_in("instructor").signs_in()
    assert story.seat == MemberState(role="student", is_active=False)

    assert story.by_hand("student").signs_in().has == "student"


def test_a_member_who_was_deleted_by_hand_comes_back_with_the_group() -> None:
    story = Story().signs_in("assistant")
    story.seat = None

    assert story.signs_in("assistant").has == "assistant"
    story.seat = None
    assert story.signs_in().seat is None


def test_two_issuers_do_not_take_what_the_other_gives() -> None:
    other = Given(role="assistant")

    assert Story().by_hand("assistant").signs_in("instructor", (other,)).has == "instructor"
    story = Story(seat=MemberState(role="instructor"), mine=Given(role="instructor"))
    assert story.signs_in("", (other,)).has == "assistant"


def test_a_service_account_is_nobodys_seat() -> None:
    story = Story().by_hand("service").signs_in("instructor")

    assert (story.has, story.is_blocked) == ("service", True)


ROLES = st.sampled_from(["", "student", "assistant", "instructor"])


@given(first=ROLES, groups=st.lists(ROLES, max_size=6))
def test_any_history_of_groups_ends_where_it_began_when_they_are_gone(first: str, groups: list[str]) -> None:
    story = Story().by_hand(first) if first else Story()

    for role in groups:
        story.signs_in(role)
        assert RANKS[story.has] == max(RANKS[first], RANKS[role])
    assert story.signs_in().has == first


@pytest.mark.parametrize(
    ("history", "is_on"),
    [
        ([True], True),
        ([True, False], False),
        (["hand", True, False], True),
        ([True, "hand", False], False),  # it had it from the group already: nobody gave anything
        ([True, "off", True], True),
        ([True, "off", False], False),
        ([False], False),
        (["hand", False], True),
        ([True, False, "hand", False], True),
        ([True, False, True, False], False),
    ],
    ids=str,
)
def test_a_right_comes_and_goes(history: list[Any], is_on: bool) -> None:
    on, mine = False, None
    for step in history:
        if isinstance(step, bool):
            on, mine = switched(wanted=step, is_on=on, mine=mine)
        else:
            on = step == "hand"

    assert on is is_on


def test_a_right_that_another_issuer_still_gives_stays() -> None:
    assert switched(wanted=False, is_on=True, mine=Given(), others=[Given()])[0] is True
    assert switched(wanted=False, is_on=True, mine=Given(), others=[Given(is_held=False)])[0] is False
