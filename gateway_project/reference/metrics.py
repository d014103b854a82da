"""Every metric of Stoa, read from the sources."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from gateway_project.observability.figures import COMPONENTS, COMPONENTS_MEANING, FIGURES, LABELLED
from gateway_project.reference.sources import nodes

_KINDS = ("Counter", "Gauge", "Histogram")


@dataclass(frozen=True, slots=True, order=True)
class KnownMetric:
    """`name` is that of the samples; those of a histogram have suffixes."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


def known_metrics() -> list[KnownMetric]:
    return sorted([*_counted(), *_figures()])


def _counted() -> Iterator[KnownMetric]:
    for node in nodes():
        match node:
            case ast.Call(ast.Name(kind), [ast.Constant(str(name)), ast.Constant(str(meaning)), *others]) if (
                kind in _KINDS
            ):
                labels = tuple(label for argument in others for label in ast.literal_eval(argument))
                yield KnownMetric(name, kind.lower(), labels, meaning)


def _figures() -> Iterator[KnownMetric]:
    """Those that are asked for when somebody reads the metrics."""
    yield KnownMetric(COMPONENTS, "gauge", ("component", "condition"), COMPONENTS_MEANING)
    for key, (name, meaning) in FIGURES.items():
        yield KnownMetric(name, "gauge", (LABELLED[key],) if key in LABELLED else (), meaning)
