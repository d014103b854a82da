"""What processes tell one another about instances. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from apps.common.health.states import State


@dataclass(frozen=True, slots=True)
class InstanceVerdict:
    """A new state of an instance whose row was at this version when it was judged."""

    instance: int
    version: int
    state: State


@dataclass(frozen=True, slots=True)
class InstanceNews:
    """What one process has to write: verdicts, and failures (words and moment) that change no state."""

    verdicts: tuple[InstanceVerdict, ...] = ()
    failures: Mapping[int, tuple[str, datetime]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.verdicts or self.failures)


InstanceRows = Mapping[int, tuple[State, int]]  # state and version, by instance
