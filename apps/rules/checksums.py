"""Check digits: which of the things that look like a card number, an account or a personal identity code are one.

Pure. Each takes what a rule has found, separators included.
"""

from collections.abc import Callable, Mapping


def luhn(found: str) -> bool:
    """Payment cards: double every second digit from the right; the digits of all must add up to a multiple of ten."""
    digits = [int(character) for character in found if character.isdecimal()]
    doubled = [digit if place % 2 == 0 else sum(divmod(2 * digit, 10)) for place, digit in enumerate(reversed(digits))]
    return len(set(digits)) > 1 and sum(doubled) % 10 == 0


CHECKSUMS: Mapping[str, Callable[[str], bool]] = {"luhn": luhn}
