"""What a pattern finds."""

from apps.rules.engine.matcher import Matcher


def spans(pattern: str, text: str) -> list[str]:
    return [text[span.start : span.end] for span in Matcher([pattern]).spans(0, text)]
