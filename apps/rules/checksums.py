"""Validators of matches: card numbers, accounts, personal identity codes and the like, mostly by check digits.

Pure. Each takes what a rule has found, separators included, and returns False if it is malformed. They never raise.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from math import log2

_HETU = re.compile(r"(\d{2})(\d{2})(\d{2})([-+A-FU-Y])(\d{3})([0-9A-Y])", re.ASCII)
_CENTURIES = {"+": 1800} | dict.fromkeys("-UVWXY", 1900) | dict.fromkeys("ABCDEF", 2000)
_HETU_DIGITS = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_PERSONNUMMER = re.compile(r"(?:\d{2})?(\d{2})(\d{2})(\d{2})[-+]?(\d{4})", re.ASCII)
_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", re.ASCII)
_SSN = re.compile(r"(\d{3})[- ]?(\d{2})[- ]?(\d{4})", re.ASCII)
_CALLING_CODE = re.compile(r"\+?[1-9]\d{6,14}|0\d{6,11}", re.ASCII)


def luhn(found: str) -> bool:
    """Luhn's checksum: double every second digit from the right; all digits must add up to a multiple of ten."""
    digits = [int(character) for character in found if character.isdecimal()]
    doubled = [digit if place % 2 == 0 else sum(divmod(2 * digit, 10)) for place, digit in enumerate(reversed(digits))]
    return len(set(digits)) > 1 and sum(doubled) % 10 == 0


def card(found: str) -> bool:
    """A card number: 13 to 19 digits, a first digit that card networks use, and Luhn's checksum."""
    digits = "".join(str(int(character)) for character in found if character.isdecimal())
    return 13 <= len(digits) <= 19 and digits[0] in "23456" and luhn(digits)


def mod97(found: str) -> bool:
    """An IBAN: with its first four characters last, and letters as numbers from 10 on, it is 1 modulo 97.

    A match may run on into the words that follow; it is enough that it begins with an IBAN.
    """
    groups = found.upper().split()
    return any(_is_iban("".join(groups[:number])) for number in range(1, len(groups) + 1))


def _is_iban(account: str) -> bool:
    if _IBAN.fullmatch(account) is None:
        return False
    return int("".join(str(int(character, 36)) for character in account[4:] + account[:4])) % 97 == 1


def email(found: str) -> bool:
    """An e-mail address of a person, not the `git@host` of a repository."""
    return found.partition("@")[0].lower() not in ("git", "hg", "svn")


def hetu(found: str) -> bool:
    """A Finnish personal identity code: a date of birth that exists, and the right check character."""
    match = _HETU.fullmatch(found.strip().upper())
    if match is None:
        return False
    day, month, year, century, number, check = match.groups()
    return _is_date(_CENTURIES[century] + int(year), int(month), int(day)) and (
        check == _HETU_DIGITS[int(day + month + year + number) % 31]
    )


def personnummer(found: str) -> bool:
    """A Swedish personal identity number: a date of birth (60 days later in coordination numbers), and Luhn."""
    match = _PERSONNUMMER.fullmatch(found.strip())
    if match is None:
        return False
    year, month, day, number = match.groups()
    return _is_date(2000 + int(year), int(month), (int(day) - 1) % 60 + 1) and luhn(year + month + day + number)


def ssn(found: str) -> bool:
    """A US social security number. It has no check digit, but some numbers are never issued."""
    match = _SSN.fullmatch(found.strip())
    if match is None:
        return False
    area, group, serial = match.groups()
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def phone(found: str) -> bool:
    """A telephone number as people write it: with a + or a leading 0, and neither a date nor an IP address."""
    digits = re.sub(r"[\s()./-]", "", found)
    return _CALLING_CODE.fullmatch(digits) is not None and len(set(digits[1:])) > 2


def random_looking(found: str) -> bool:
    """A random secret: its longest part has at least 3 bits per character, and both digits and letters."""
    longest = max(re.split(r"[\s:='\"]+", found), key=len)
    shares = [longest.count(character) / len(longest) for character in set(longest)] if longest else []
    bits = -sum(share * log2(share) for share in shares)
    return bits >= 3 and any(c.isdigit() for c in longest) and any(c.isalpha() for c in longest)


def _is_date(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


CHECKSUMS: Mapping[str, Callable[[str], bool]] = {
    "card": card,
    "email": email,
    "hetu": hetu,
    "luhn": luhn,
    "mod97": mod97,
    "personnummer": personnummer,
    "phone": phone,
    "random": random_looking,
    "ssn": ssn,
}
