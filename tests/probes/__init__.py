"""Probes that ride along in the web processes that tests start: blocking calls on the event loop, and its lag.

`environment()` makes Python import `sitecustomize` beside this file at the start of every process; it arms itself in
web processes alone. Nothing in the product knows of it.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

BLOCKING = "Blocking call on the event loop"
HERE = Path(__file__).parent
MOST_HELD_MOSTLY, MOST_HELD = 100.0, 2_000.0  # milliseconds: the 99th of a hundred, and the worst


def environment(directory: Path, python_path: str) -> dict[str, str]:
    """What a process needs in its environment to be probed, and to leave its figures in the directory."""
    return {"PYTHONPATH": f"{HERE}:{python_path}".rstrip(":"), "STOA_PROBES": str(directory)}


@dataclass(slots=True)
class Lags:
    """How late event loops were, in milliseconds: by the clock, and by what their own threads had computed meanwhile.

    The second says what our code did, and is what we answer for; the first also tells how busy the machine was.
    """

    late: list[float] = field(default_factory=list)
    held: list[float] = field(default_factory=list)

    def read(self, directory: Path) -> "Lags":
        """Take the figures that web processes left in a directory."""
        for path in directory.glob("lag-*.json"):
            figures = json.loads(path.read_text())
            path.unlink()
            self.add(figures["late"], figures["held"])
        return self

    def add(self, late: list[float], held: list[float]) -> None:
        self.late += late
        self.held += held

    @property
    def is_bearable(self) -> bool:
        """Generously: a processor may be slow, and coverage and this very probe cost something."""
        return _share(self.held, 0.99) <= MOST_HELD_MOSTLY and _share(self.held, 1) <= MOST_HELD

    def __str__(self) -> str:
        return (
            f"{len(self.late)} samples of event loops; late p99 {_share(self.late, 0.99):.0f} ms, at most "
            f"{_share(self.late, 1):.0f}; held by their own code p99 {_share(self.held, 0.99):.0f} ms, at most "
            f"{_share(self.held, 1):.0f}"
        )


seen = Lags()  # by this process, over the whole run


def _share(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
