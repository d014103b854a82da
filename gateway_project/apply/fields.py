"""The types of values in a configuration file. Each rejects a wrong value with a sentence."""

import math
import re
from collections.abc import Callable
from datetime import datetime, time
from decimal import Decimal
from typing import Annotated, Any

from django.db.models import TextChoices
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from apps.accounts.models import Weekday

LARGEST = 2**63 - 1
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_YES = frozenset({"true", "yes", "on"})
_NO = frozenset({"false", "no", "off"})


def wrong(sentence: str) -> PydanticCustomError:
    return PydanticCustomError("field", "{sentence}", {"sentence": sentence})


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise wrong("must be text.")
    if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise wrong("contains a character that cannot be stored.")
    return value


def _name(value: object) -> str:
    text = _text(value).strip()
    if not text:
        raise wrong("must not be empty.")
    return text


def _flag(value: object) -> bool:
    word = value.lower() if isinstance(value, str) else ""
    if word not in _YES | _NO:
        raise wrong("must be true or false.")
    return word in _YES


def _whole(least: int, most: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        digits = value.replace("_", "") if isinstance(value, str) else ""
        if not (digits.isascii() and digits.isdigit() and len(digits) < 40 and int(digits) >= least):
            raise wrong(f"must be a whole number, {least} or more.")
        if int(digits) > most:
            raise wrong(f"must be at most {most}.")
        return int(digits)

    return parse


def _integer(least: int, most: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        digits = value.lstrip("-") if isinstance(value, str) else ""
        if not (digits.isascii() and digits.isdigit() and len(digits) < 10 and least <= int(str(value)) <= most):
            raise wrong(f"must be a whole number from {least} to {most}.")
        return int(str(value))

    return parse


def _weight(value: object) -> Decimal:
    try:
        number = Decimal(value) if isinstance(value, str) else Decimal("NaN")
    except ArithmeticError:
        number = Decimal("NaN")
    if not (number.is_finite() and 0 <= number < 10_000 and number == round(number, 4)):
        raise wrong("must be a number from 0 to 9999.9999, with at most four decimals.")
    return number


def _number(value: object) -> float:
    try:
        return float(value) if isinstance(value, str) else math.nan
    except ValueError:
        return math.nan


def _seconds(least: float) -> Callable[[object], float]:
    def parse(value: object) -> float:
        number = _number(value)
        if not least <= number < math.inf:
            raise wrong(f"must be a number of seconds, {least} or more.")
        return number

    return parse


def _share(value: object) -> float:
    number = _number(value)
    if not 0.01 <= number <= 1:
        raise wrong("must be a number from 0.01 to 1.")
    return number


def _rewrites(value: object) -> list[dict[str, str]]:
    """Each names with `from` what it replaces, which is no name for a field of a section."""
    if not isinstance(value, list):
        raise wrong("must be a list of rewrites, each with from and to.")
    for rewrite in value:
        if not isinstance(rewrite, dict) or set(rewrite) != {"from", "to"}:
            raise wrong("must be a list of rewrites, each with from and to.")
    return [{name: _name(path) for name, path in rewrite.items()} for rewrite in value]


def _instant(value: object) -> datetime:
    """An instant must have an offset: without one it would depend on the local time zone."""
    try:
        instant = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        instant = datetime.min
    if instant.tzinfo is None:
        raise wrong("must be an instant with its offset, such as 2026-12-01T09:00:00+02:00.")
    return instant


def _factor(value: object) -> Decimal:
    try:
        number = Decimal(value) if isinstance(value, str) else Decimal("NaN")
    except ArithmeticError:
        number = Decimal("NaN")
    if not (number.is_finite() and 1 <= number <= 100 and number == round(number, 2)):
        raise wrong("must be a number from 1 to 100, with at most two decimals.")
    return number


def _clock(value: object) -> time:
    if not (isinstance(value, str) and _CLOCK.fullmatch(value)):
        raise wrong("must be a time of day such as 09:30, in quotes.")
    return time.fromisoformat(value)


def _days(value: object) -> str:
    days = {day.value: str(day.number) for day in Weekday}
    named = [name.lower() if isinstance(name, str) else "" for name in value] if isinstance(value, list) else [""]
    if not all(name in days for name in named):
        raise wrong(f"must be a list of days: {', '.join(days)}.")
    return "".join(sorted({days[name] for name in named}))


def _lines(value: object) -> str:
    if not isinstance(value, list):
        raise wrong("must be a list of texts.")
    texts = [_name(text) for text in value]
    if any(len(text.splitlines()) > 1 for text in texts):
        raise wrong("must be a list of texts of one line each.")
    return "\n".join(texts)


def _headers(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise wrong("must be a mapping of names to values.")
    return {_name(name): _name(text) for name, text in value.items()}


def choice(choices: type[TextChoices], *, or_null: bool = False) -> Any:
    """One of the choices, case-insensitive. Null is the empty text, where it is allowed."""

    def parse(value: object) -> str:
        if or_null and value is None:
            return ""
        word = value.lower() if isinstance(value, str) else ""
        if word not in choices.values:
            raise wrong(f"must be one of: {', '.join(choices.values)}{', or null' if or_null else ''}.")
        return word

    return BeforeValidator(parse)


def _or_null(parse: Callable[[object], Any]) -> BeforeValidator:
    return BeforeValidator(lambda value: None if value is None else parse(value))


Text = Annotated[str, BeforeValidator(_text)]
Name = Annotated[str, BeforeValidator(_name)]
NameOrNone = Annotated[str | None, _or_null(_name)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Tokens = Annotated[int, BeforeValidator(_whole(0, LARGEST))]
TokensOrNone = Annotated[int | None, _or_null(_whole(0, LARGEST))]
Count = Annotated[int, BeforeValidator(_whole(1, 2**31 - 1))]
CountOrNone = Annotated[int | None, _or_null(_whole(1, 2**31 - 1))]
Priority = Annotated[int, BeforeValidator(_whole(0, 2**15 - 1))]
SignedPriority = Annotated[int, BeforeValidator(_integer(-(2**15), 2**15 - 1))]
Factor = Annotated[Decimal, BeforeValidator(_factor)]
Weight = Annotated[Decimal, BeforeValidator(_weight)]
InstantOrNone = Annotated[datetime | None, _or_null(_instant)]
ClockOrNone = Annotated[time | None, _or_null(_clock)]
Days = Annotated[str, BeforeValidator(_days)]
Headers = Annotated[dict[str, str], BeforeValidator(_headers)]
TextOrNone = Annotated[str, BeforeValidator(lambda value: "" if value is None else _text(value))]
Lines = Annotated[str, BeforeValidator(_lines)]
SecondsOrNone = Annotated[float | None, _or_null(_seconds(0.1))]
ShortSeconds = Annotated[float, BeforeValidator(_seconds(0.05))]
ShortSecondsOrNone = Annotated[float | None, _or_null(_seconds(0.05))]
Share = Annotated[float, BeforeValidator(_share)]
Rewrites = Annotated[list[dict[str, str]], BeforeValidator(_rewrites)]
