"""How many requests of a minute ended alike. Pure."""

from dataclasses import dataclass
from datetime import datetime

from apps.services.outcomes import RequestOutcome
from apps.services.records.notes import RequestNote


@dataclass(frozen=True, slots=True)
class CountKey:
    """Of one row: the order of the fields is that of its index."""

    service: int
    minute: datetime
    instance: int
    outcome: RequestOutcome
    bucket: int


@dataclass(slots=True)
class MinuteTally:
    requests: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    def add(self, other: "MinuteTally") -> None:
        self.requests += other.requests
        self.bytes_in += other.bytes_in
        self.bytes_out += other.bytes_out


class MinuteTallies(dict[CountKey, MinuteTally]):
    def count(self, note: RequestNote) -> None:
        minute = note.at.replace(second=0, microsecond=0)
        key = CountKey(note.service, minute, note.instance, note.outcome, note.bucket)
        tally = self.get(key)
        if tally is None:
            tally = self[key] = MinuteTally()
        tally.requests += 1
        tally.bytes_in += note.bytes_in
        tally.bytes_out += note.bytes_out

    def add(self, key: CountKey, tally: MinuteTally) -> None:
        if key in self:
            self[key].add(tally)
        else:
            self[key] = tally
