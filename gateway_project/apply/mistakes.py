"""Mistakes in a configuration file, and where they are."""

from collections.abc import Iterable
from dataclasses import dataclass

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake: its line, the path of the field, and a sentence."""

    line: int
    path: Path
    sentence: str

    def __str__(self) -> str:
        return f"{self.line}: " + (f"{written(self.path)}: " if self.path else "") + self.sentence


class Mistakes(Exception):
    """All mistakes that a stage found. Nothing was changed."""

    def __init__(self, source: str, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(set(mistakes), key=lambda mistake: (mistake.line, str(mistake))))
        super().__init__("\n".join(f"{source}:{mistake}" for mistake in self.mistakes))


def written(path: Path) -> str:
    """A path as people write it: `courses[0].rules[1].pattern`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
