"""Check digits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.rules.checksums import CHECKSUMS


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("luhn", "79927398713", "79927398710"),
        ("luhn", "4111-1111 1111 1111", "0000 0000 0000 0000"),
        ("card", "4111 1111 1111 1111", "1111 1111 1111 1117"),
        ("card", "٤١١١ ١١١١ ١١١١ ١١١١", "4111 1111 111"),
        ("mod97", "GB82 WEST 1234 5698 7654 32", "GB83 WEST 1234 5698 7654 32"),
        ("mod97", "fi21 1234 5600 0007 85 and more", "21FI 1234 5600 0007 85"),
        ("hetu", "131052-308T", "131052-308S"),
        ("hetu", "131052-308t", "310252-308T"),
        ("personnummer", "811228-9874", "811228-9873"),
        ("personnummer", "19811228-9874", "811328-9874"),
        ("ssn", "078-05-1120", "078-00-1120"),
        ("ssn", "078051120", "912-34-5678"),
        ("phone", "+358 40 123 4567", "1.2.3.4"),
        ("phone", "040-7654321", "000000000"),
        ("random", "ghp_16C7e42F292c6912E7710c", "sk-xxxxxxxxxxxxxxxxxxxx"),
        ("random", "password = 'h7Kp2xQ9vT'", "password = getpass.getpass()"),
        ("email", "ada@example.edu", "git@github.com"),
    ],
)
def test_a_checksum_tells_good_from_bad(name: str, good: str, bad: str) -> None:
    assert CHECKSUMS[name](good)
    assert not CHECKSUMS[name](bad)


@pytest.mark.parametrize("name", CHECKSUMS)
@given(text=st.text(max_size=30) | st.text(alphabet="0123456789 -+.ABFI٣²", max_size=30))
def test_a_checksum_takes_any_text(name: str, text: str) -> None:
    assert CHECKSUMS[name](text) in (True, False)


@given(digits=st.text(alphabet="0123456789", min_size=12, max_size=15))
def test_exactly_one_last_digit_is_right_by_luhn(digits: str) -> None:
    right = [last for last in "0123456789" if CHECKSUMS["luhn"](digits + last)]

    assert len(right) == 1 or set(digits) == {"0"}
