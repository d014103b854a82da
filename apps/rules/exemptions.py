"""Exceptions: texts that a rule finds and that are allowed. Pure."""

from apps.rules.engine.normalize import fold


def folded(text: str) -> str:
    """The form in which exceptions are compared: folded as in the engine, without regard to case and white space."""
    return " ".join(fold(text).text.split()).casefold()


def counts(text: str, exceptions: frozenset[str]) -> bool:
    """True if a match of this text is a hit, not an exception."""
    return not exceptions or folded(text) not in exceptions
