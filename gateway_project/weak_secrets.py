"""Which secrets could be guessed, or open two doors at once. Pure; names the variables, never their values."""

from collections.abc import Iterator, Mapping, Sequence

LEAST_LENGTH, LEAST_TOKEN_LENGTH = 32, 16
LEAST_VARIETY = 10  # different characters; 32 random hexadecimal digits have 14 on average
REMEDY = "Make one with: openssl rand -base64 48"


def mistakes(secrets: Mapping[str, Sequence[str]], *, token: tuple[str, str]) -> Iterator[str]:
    """What is wrong with the secrets, by variable, and with the optional token for metrics, a sentence each."""
    for name, values in secrets.items():
        if not values or any(len(value) < LEAST_LENGTH for value in values):
            each = "each key needs" if len(values) > 1 else "it needs"
            yield f"{name} must be set in production: {each} at least {LEAST_LENGTH} characters. {REMEDY}"
        elif any(map(_is_monotonous, values)):
            yield f"{name} can be guessed: it repeats itself, or has too few different characters. {REMEDY}"
    name, value = token
    if value and len(value) < LEAST_TOKEN_LENGTH:
        yield f"{name} needs at least {LEAST_TOKEN_LENGTH} characters. {REMEDY}"
    yield from _twins([*((name, value) for name, values in secrets.items() for value in values), (name, value)])


def _is_monotonous(value: str) -> bool:
    repeats_itself = (value + value).find(value, 1) < len(value)
    return repeats_itself or len(set(value)) < LEAST_VARIETY or value.startswith("django-insecure-")


def _twins(named: list[tuple[str, str]]) -> Iterator[str]:
    """One secret in two places: whoever learns it in one has both."""
    first: dict[str, str] = {}
    for name, value in named:
        if value and first.setdefault(value, name) != name:
            yield f"{name} equals {first[value]}: each needs a secret of its own. {REMEDY}"
