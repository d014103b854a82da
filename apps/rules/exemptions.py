"""Exceptions: texts that a rule finds and that are fine all the same. Pure."""

from apps.rules.engine.normalize import fold


def folded(text: str) -> str:
    """How an exception is compared: as the engine folds, and without regard to letter case and white space."""
    return " ".join(fold(text).text.split()).casefold()


def counts(text: str, exceptions: frozenset[str]) -> bool:
    """Whether a match of this text is a hit."""
    return not exceptions or folded(text) not in exceptions
