"""The figures of a run: what each is measured against, what is to be held, and what has become worse."""

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

WORSE = 0.1  # by which a row may fall below the kept result without being named


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What a row is to hold: at least, or at most so much, of the ratio or of the figure itself."""

    limit: float
    is_least: bool
    of_ratio: bool = True
    goal: float | None = None
    enough: float | None = None  # of the figure, whatever the ratio

    def __str__(self) -> str:
        text = f"{'>=' if self.is_least else '<='} {self.limit:g}{' x' if self.of_ratio else ''}"
        text += f" or {self.enough:,g}" if self.enough is not None else ""
        return text + (f", goal {self.goal:g}" if self.goal is not None else "")

    def holds(self, row: "Row") -> bool:
        if self.enough is not None and row.value >= self.enough:
            return True
        figure = row.ratio if self.of_ratio else row.value
        return figure >= self.limit if self.is_least else figure <= self.limit


def at_least(limit: float, *, goal: float | None = None, enough: float | None = None, of_ratio: bool = True) -> Bound:
    return Bound(limit=limit, is_least=True, goal=goal, enough=enough, of_ratio=of_ratio)


def at_most(limit: float, *, goal: float | None = None, of_ratio: bool = True) -> Bound:
    return Bound(limit=limit, is_least=False, goal=goal, of_ratio=of_ratio)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure of Stoa's beside the yardstick's, and the ratio of the two."""

    name: str
    value: float
    unit: str
    yardstick: float
    ratio: float
    bound: Bound | None = None
    is_more_better: bool = False

    def fell(self, kept: float) -> bool:
        """Whether its ratio is worse than it was by more than a tenth."""
        return self.ratio < kept * (1 - WORSE) if self.is_more_better else self.ratio > kept * (1 + WORSE)


def compared(
    name: str,
    pairs: Sequence[tuple[float, float]],
    unit: str,
    bound: Bound | None = None,
    *,
    is_more_better: bool = False,
    is_tail: bool = False,
) -> Row:
    """A row of figures that were taken in turns, the yardstick's first.

    What other programs do only makes a turn worse, so of each side its best third counts; of a tail, which is about the
    bad moments, the median.
    """
    yardsticks, values = zip(*pairs, strict=True)
    typical = statistics.median if is_tail else partial(_best_third, is_more_better=is_more_better)
    yardstick, value = typical(yardsticks), typical(values)
    return Row(
        name=name,
        value=value,
        unit=unit,
        yardstick=yardstick,
        ratio=value / yardstick if yardstick else math.inf,
        bound=bound,
        is_more_better=is_more_better,
    )


def _best_third(figures: Sequence[float], *, is_more_better: bool) -> float:
    best = sorted(figures, reverse=is_more_better)
    return statistics.fmean(best[: math.ceil(len(best) / 3)])


def table(rows: Sequence[Row], kept: dict[str, float]) -> str:
    head = ("", "Stoa", "yardstick", "unit", "ratio", "kept", "", "to hold")
    lines = [head, *(_cells(row, kept.get(row.name)) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join("  ".join(map(_padded, line, widths, range(len(head)))).rstrip() for line in lines)


def _cells(row: Row, kept: float | None) -> tuple[str, ...]:
    return (
        row.name,
        _number(row.value),
        _number(row.yardstick),
        row.unit,
        f"{row.ratio:.2f}",
        "" if kept is None else f"{kept:.2f}",
        "" if row.bound is None else ("holds" if row.bound.holds(row) else "MISSED"),
        str(row.bound or ""),
    )


def _number(value: float) -> str:
    return f"{value:,.{2 if value < 10 else 1 if value < 200 else 0}f}"


def _padded(cell: str, width: int, column: int) -> str:
    return cell.rjust(width) if column in (1, 2, 4, 5) else cell.ljust(width)


def fallen(rows: Sequence[Row], kept: dict[str, float]) -> list[str]:
    """A sentence for each row whose ratio is worse than the kept one by more than a tenth."""
    return [
        f"{row.name}: {row.ratio:.2f} of the yardstick, {kept[row.name]:.2f} when it was kept"
        for row in rows
        if row.name in kept and row.fell(kept[row.name])
    ]


def read_kept(file: Path) -> dict[str, float]:
    """The ratio of each row in the result that was kept last."""
    if not file.exists():
        return {}
    kept: dict[str, float] = json.loads(file.read_text())["ratios"]
    return kept


def keep(file: Path, rows: Sequence[Row], *, about: dict[str, str]) -> None:
    """Keep these ratios; rows that were not measured stay as they were."""
    ratios = read_kept(file) | {row.name: round(row.ratio, 3) for row in rows}
    file.write_text(json.dumps({**about, "ratios": ratios}, indent=2) + "\n")
