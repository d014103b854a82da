"""Exceptions: texts that a rule finds and that are fine all the same. Pure."""


def folded(text: str) -> str:
    """How an exception is compared: letter case and the amount of white space make no difference."""
    return " ".join(text.split()).casefold()


def counts(text: str, exceptions: frozenset[str]) -> bool:
    """Whether a match of this text is a hit."""
    return not exceptions or folded(text) not in exceptions
