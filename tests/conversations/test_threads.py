"""How calls are recognised as one conversation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.conversations.history import Message, extend, locate

ROLES = st.sampled_from(["system", "user", "assistant", "tool"])
TALKS = st.lists(st.tuples(ROLES, st.text(max_size=5)), max_size=8)


def messages(*said: tuple[str, str]) -> list[Message]:
    return [Message(position, role, text) for position, (role, text) in enumerate(said)]


def talk(text: str) -> list[Message]:
    """`u1 a2`: the user said 1 and the assistant answered 2."""
    names = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
    return messages(*((names[word[0]], word[1:]) for word in text.split()))


def tail(text: str, answer: str, *, member: int = 1) -> str:
    """Where a call with these messages ended."""
    return extend(locate(talk(text), membership_id=member).digest, "assistant", answer)


def head(text: str, *, member: int = 1) -> str:
    return locate(talk(text), membership_id=member).head


@pytest.mark.parametrize(
    ("first", "answer", "second"),
    [
        ("u1", "2", "u1 a2 u3"),
        ("s0 u1", "2", "s0 u1 a2 u3"),
        ("u1 a2 u3", "4", "u1 a2 u3 a4 u5"),
        ("u1", "2", "u1 a2 t3 t4"),
        ("u1", "2", "u1 a2"),
    ],
)
def test_a_call_continues_the_one_whose_answer_it_repeats(first: str, answer: str, second: str) -> None:
    assert head(second) == tail(first, answer)


@pytest.mark.parametrize(
    "second",
    ["u1 ax u3", "ux a2 u3", "s0 u1 a2 u3", "t1 a2 u3", "u1 u2 u3", "u1 a2 u3 a4 u5", "u1 u a2 u3"],
)
def test_another_history_is_another_conversation(second: str) -> None:
    assert head(second) != tail("u1", "2")


def test_the_same_words_of_another_student_are_another_conversation() -> None:
    assert head("u1 a2 u3", member=2) != tail("u1", "2", member=1)


@pytest.mark.parametrize("text", ["", "u1", "s0 u1", "u1 u2"])
def test_a_call_without_an_answer_in_it_begins_a_conversation(text: str) -> None:
    place = locate(talk(text), membership_id=1)

    assert (place.head, place.history) == ("", 0)


@pytest.mark.parametrize(("text", "history"), [("a1", 1), ("u1 a2 u3", 2), ("u1 a2 u3 a4 u5 u6", 4), ("u1 a2", 2)])
def test_the_history_ends_with_the_last_answer(text: str, history: int) -> None:
    assert locate(talk(text), membership_id=1).history == history


@given(before=TALKS, answer=st.text(min_size=1, max_size=5), after=st.lists(st.text(max_size=5), max_size=3))
def test_whatever_was_said_it_is_found_again(before: list[tuple[str, str]], answer: str, after: list[str]) -> None:
    ended = extend(locate(messages(*before), membership_id=1).digest, "assistant", answer)

    place = locate(messages(*before, ("assistant", answer), *(("user", text) for text in after)), membership_id=1)

    assert (place.head, place.history) == (ended, len(before) + 1)


@given(one=TALKS, other=TALKS)
def test_different_talks_have_different_digests(one: list[tuple[str, str]], other: list[tuple[str, str]]) -> None:
    digests = [locate(messages(*said), membership_id=1).digest for said in (one, other)]

    assert (digests[0] == digests[1]) == (one == other)


@given(text=st.text(max_size=20) | st.just("\ud800"))
def test_a_digest_is_32_hexadecimal_characters(text: str) -> None:
    digest = extend("1", "user", text)

    assert len(digest) == 32
    assert int(digest, 16) >= 0


def test_an_answer_is_recognised_by_what_clients_send_again() -> None:
    given = Message(1, "assistant", "thinking\nHi", said="Hi")
    resent = Message(1, "assistant", "Hi")

    places = [locate([Message(0, "user", "hello"), answer], membership_id=1) for answer in (given, resent)]

    assert places[0].head == places[1].head
