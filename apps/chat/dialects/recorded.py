"""The text of an answer as it is recorded, while it comes. Pure, and the same for every format."""

from collections import defaultdict

BETWEEN_CHOICES = "\n\n"


class RecordedText:
    """What has been said so far in each choice of an answer. `text_bytes` is its length in UTF-8."""

    def __init__(self) -> None:
        self._choices: defaultdict[int, list[str]] = defaultdict(list)
        self._matched: list[str] = []
        self.text_bytes = 0

    def add(self, choice: int, text: str, matched_as: str | None = None) -> None:
        """Add a piece to a choice. `matched_as` is what of it clients send back as history: all of it if None."""
        if choice == 0:
            self._matched.append(text if matched_as is None else matched_as)
        self._choices[choice].append(text)
        self.text_bytes += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))

    def text(self) -> str:
        """The answer as people read it, one choice below the other."""
        return "".join(self.pieces())

    def pieces(self) -> list[str]:
        """That text in pieces. Those of the first choice stay where they are when others begin."""
        made: list[str] = []
        for number, choice in enumerate(sorted(self._choices)):
            made += [BETWEEN_CHOICES, *self._choices[choice]] if number else self._choices[choice]
        return made

    def matched_as(self) -> str:
        """What the first choice is recognised by when a client sends it again as history."""
        return "".join(self._matched)

    @property
    def is_first_choice_only(self) -> bool:
        """Whether there is text of the first choice and of no other."""
        return self._choices.keys() == {0}

    def length(self, choice: int) -> int:
        """The characters of a choice so far."""
        return sum(map(len, self._choices[choice])) if choice in self._choices else 0

    def starts(self) -> dict[int, int]:
        """Where each choice begins in the text."""
        starts, place = {}, 0
        for choice in sorted(self._choices):
            starts[choice] = place
            place += self.length(choice) + len(BETWEEN_CHOICES)
        return starts
