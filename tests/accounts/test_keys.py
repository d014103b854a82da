"""The form of API keys."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from apps.accounts import keys

PEPPER = "pepper"
KEY = keys.issue(pepper=PEPPER).text


def test_a_key_has_the_documented_form() -> None:
    issued = keys.issue(pepper=PEPPER)

    assert re.fullmatch(r"stoa_sk_[0-9A-Za-z]{38}", issued.text)
    assert issued.text.endswith(issued.last_four)


@pytest.mark.parametrize("prefix", [keys.PREFIX, keys.SERVICE, keys.STAFF])
def test_each_kind_of_key_has_its_prefix(prefix: str) -> None:
    text = keys.issue(pepper=PEPPER, prefix=prefix).text

    assert keys.is_well_formed(text, prefixes=(prefix,))
    assert not keys.is_well_formed(text, prefixes=tuple({keys.PREFIX, keys.SERVICE, keys.STAFF} - {prefix}))


def test_every_issued_key_is_well_formed() -> None:
    assert all(keys.is_well_formed(keys.issue(pepper=PEPPER).text) for _ in range(200))


def test_keys_differ() -> None:
    assert len({keys.issue(pepper=PEPPER).text for _ in range(200)}) == 200


@given(position=st.integers(0, keys.LENGTH - 1), character=st.sampled_from(keys.ALPHABET))
def test_one_wrong_character_is_noticed(position: int, character: str) -> None:
    assume(KEY[position] != character)

    assert not keys.is_well_formed(KEY[:position] + character + KEY[position + 1 :])


@given(first=st.integers(0, keys.LENGTH - 2))
def test_two_swapped_neighbours_are_noticed(first: int) -> None:
    assume(KEY[first] != KEY[first + 1])

    assert not keys.is_well_formed(KEY[:first] + KEY[first + 1] + KEY[first] + KEY[first + 2 :])


@given(text=st.text())
def test_noise_is_not_a_key(text: str) -> None:
    assert not keys.is_well_formed(text)
    assert not keys.is_well_formed(keys.PREFIX + text)


NEARLY = {
    "nothing": "",
    "the prefix": keys.PREFIX,
    "one character less": KEY[:-1],
    "one character more": KEY + "0",
    "a space before": f" {KEY}",
    "a line end behind": f"{KEY}\n",
    "capitals": KEY.upper(),
    "not ASCII": "ü" * keys.LENGTH,
}


@pytest.mark.parametrize("text", NEARLY.values(), ids=NEARLY.keys())
def test_what_is_nearly_a_key_is_none(text: str) -> None:
    assert not keys.is_well_formed(text)


def test_the_digest_depends_on_key_and_pepper() -> None:
    issued = keys.issue(pepper=PEPPER)

    assert keys.digest(issued.text, pepper=PEPPER) == issued.digest
    assert keys.digest(issued.text, pepper="other") != issued.digest
    assert keys.digest(KEY, pepper=PEPPER) != issued.digest


def test_the_digest_tells_nothing_of_the_key() -> None:
    issued = keys.issue(pepper=PEPPER)

    assert re.fullmatch(r"[0-9a-f]{64}", issued.digest)
    assert issued.last_four not in issued.digest
