"""Examples that a rule carries: sentences in which it must be found, and similar ones in which it must not. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from apps.common.translation import gettext
from apps.rules.checksums import CHECKSUMS
from apps.rules.engine.matcher import Matcher
from apps.rules.exemptions import counts

MOST_LINES = 50
LONGEST_LINE = 500


@dataclass(frozen=True, slots=True)
class Example:
    """One line, its number in its field (from 1), and whether the rule did with it what it should."""

    line: int
    text: str
    should_match: bool
    matches: bool
    is_excepted: bool = False  # the pattern matches, but only exceptions

    @property
    def is_right(self) -> bool:
        return self.matches == self.should_match


def lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers from 1."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, line.strip()


def tried(
    pattern: str, *, checksum: str = "", match: str, no_match: str, excepted: frozenset[str] = frozenset()
) -> list[Example]:
    """Every example with its result. The pattern must have passed `check`."""
    matcher = Matcher([pattern], [CHECKSUMS.get(checksum)])

    def example(number: int, line: str, should_match: bool) -> Example:
        found = [line[span.start : span.end] for span in matcher.spans(0, line, most=LONGEST_LINE)]
        matches = any(counts(text, excepted) for text in found)
        return Example(number, line, should_match, matches, is_excepted=bool(found) and not matches)

    return [
        example(number, line, should_match)
        for should_match, text in ((True, match), (False, no_match))
        for number, line in lines(text)
    ]


def too_much(text: str) -> str:
    """Why these lines are too many or too long; empty if they are neither."""
    found = list(lines(text))
    if len(found) > MOST_LINES:
        return gettext("These are {found} examples; at most {most_lines} are kept.").format(
            found=len(found), most_lines=MOST_LINES
        )
    long = next((number for number, line in found if len(line) > LONGEST_LINE), None)
    return (
        gettext("Line {long} is longer than {longest_line} characters.").format(long=long, longest_line=LONGEST_LINE)
        if long
        else ""
    )
