"""The text of an answer as it is recorded, while it comes. Pure, and the same for every dialect."""

from collections import defaultdict
from collections.abc import Iterable, Set

BETWEEN_CHOICES = "\n\n"


class RecordedText:
    """The text of each choice so far. `text_bytes` is its length in UTF-8."""

    def __init__(self) -> None:
        self._choices: defaultdict[int, list[str]] = defaultdict(list)
        self._matched: list[str] = []
        self.text_bytes = 0

    def add(self, choice: int, text: str, matched_as: str | None = None) -> None:
        """Add a piece to a choice. `matched_as` is what clients send back of it as history; None means all of it."""
        if choice == 0:
            self._matched.append(text if matched_as is None else matched_as)
        self._choices[choice].append(text)
        self.text_bytes += len(text) if text.isascii() else _size(text)

    def extend(self, choice: int, texts: Iterable[str]) -> None:
        """Add many pieces, all of which clients send back."""
        pieces = [text for text in texts if text]
        if pieces:
            self._choices[choice] += pieces
            self._matched += pieces if choice == 0 else ()
            self.text_bytes += _size("".join(pieces))

    def text(self) -> str:
        """The answer as people read it, one choice below the other."""
        return "".join(self.pieces())

    def pieces(self) -> list[str]:
        """That text in pieces. Those of the first choice keep their place when others begin."""
        made: list[str] = []
        for number, choice in enumerate(sorted(self._choices)):
            made += [BETWEEN_CHOICES, *self._choices[choice]] if number else self._choices[choice]
        return made

    def matched_as(self) -> str:
        """What the first choice is recognised by when a client sends it back as history."""
        return "".join(self._matched)

    @property
    def choices(self) -> Set[int]:
        """The choices that have text."""
        return self._choices.keys()

    @property
    def is_first_choice_only(self) -> bool:
        """True if there is text of the first choice and of no other."""
        return self._choices.keys() == {0}

    def length(self, choice: int) -> int:
        """The number of characters of a choice so far."""
        return sum(map(len, self._choices[choice])) if choice in self._choices else 0

    def starts(self) -> dict[int, int]:
        """Where each choice begins in the text."""
        starts, place = {}, 0
        for choice in sorted(self._choices):
            starts[choice] = place
            place += self.length(choice) + len(BETWEEN_CHOICES)
        return starts


NOTHING = RecordedText()  # to be read only


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
