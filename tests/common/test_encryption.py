"""Secrets at rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.common.encryption import CannotDecrypt, anew, decrypt, encrypt

PLACE = "table:field:1"
KEYS = ["a" * 40]


@given(plain=st.text())
def test_what_was_encrypted_opens(plain: str) -> None:
    assert decrypt(encrypt(plain, place=PLACE, keys=KEYS), place=PLACE, keys=KEYS) == plain


def test_the_same_secret_never_looks_the_same() -> None:
    assert encrypt("secret", place=PLACE, keys=KEYS) != encrypt("secret", place=PLACE, keys=KEYS)


def test_a_secret_does_not_open_in_another_row() -> None:
    stored = encrypt("secret", place="table:field:1", keys=KEYS)

    with pytest.raises(CannotDecrypt):
        decrypt(stored, place="table:field:2", keys=KEYS)


def test_a_secret_does_not_open_with_another_key() -> None:
    stored = encrypt("secret", place=PLACE, keys=KEYS)

    with pytest.raises(CannotDecrypt):
        decrypt(stored, place=PLACE, keys=["b" * 40])


@pytest.mark.parametrize("part", [1, 2, 3])
def test_a_changed_secret_does_not_open(part: int) -> None:
    parts = encrypt("secret", place=PLACE, keys=KEYS).split(":")
    parts[part] = ("0" if parts[part][0] != "0" else "1") + parts[part][1:]

    with pytest.raises(CannotDecrypt):
        decrypt(":".join(parts), place=PLACE, keys=KEYS)


@pytest.mark.parametrize("stored", ["", "secret", "v1", "v1:a:b", "v2:a:b:c", "v1:::", "v1:a:b:c:d", "v1:ä:ö:ü"])
def test_what_is_no_stored_secret_never_comes_back_as_it_is(stored: str) -> None:
    with pytest.raises(CannotDecrypt):
        decrypt(stored, place=PLACE, keys=KEYS)


def test_an_unknown_version_does_not_open() -> None:
    stored = encrypt("secret", place=PLACE, keys=KEYS).replace("v1:", "v2:", 1)

    with pytest.raises(CannotDecrypt):
        decrypt(stored, place=PLACE, keys=KEYS)


def test_an_older_key_still_opens_after_a_rotation() -> None:
    stored = encrypt("secret", place=PLACE, keys=["old" * 20])

    assert decrypt(stored, place=PLACE, keys=["new" * 20, "old" * 20]) == "secret"


def test_the_newest_key_is_the_one_that_encrypts() -> None:
    stored = encrypt("secret", place=PLACE, keys=["new" * 20, "old" * 20])

    assert decrypt(stored, place=PLACE, keys=["new" * 20]) == "secret"


def test_a_secret_moves_to_the_newest_key_once() -> None:
    stored, both = encrypt("secret", place=PLACE, keys=KEYS), ["b" * 40, *KEYS]

    moved = anew(stored, place=PLACE, keys=both)

    assert moved is not None and decrypt(moved, place=PLACE, keys=both[:1]) == "secret"
    assert anew(moved, place=PLACE, keys=both) is None


def test_a_secret_that_does_not_open_is_not_taken_for_one_with_the_newest_key() -> None:
    stored = encrypt("secret", place=PLACE, keys=KEYS)

    with pytest.raises(CannotDecrypt):
        anew(f"{stored[:-4]}AAA=", place=PLACE, keys=KEYS)
