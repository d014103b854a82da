"""What one process remembers of something that others answer for. Without I/O: for one event loop."""

from dataclasses import dataclass, field

from apps.common.breaker import Judge, Window
from apps.common.health.states import WELL, State


@dataclass(slots=True)
class Remembered:
    """`turn` counts the changes of the state: the end of a call that was planned before the last one is no news.

    `version` is that of the row that the state stands on; with `is_news`, it is what this process made of it since.
    """

    state: State = WELL
    turn: int = 0
    version: int = 0
    is_news: bool = False

    def become(self, state: State) -> None:
        self.state = state
        self.turn += 1

    def take_over(self, state: State) -> None:
        if state.turning != self.state.turning:
            self.become(state)
        self.state = state

    def written(self, version: int) -> None:
        """The row has what this process found, unless a later version was read meanwhile."""
        self.version = max(self.version, version)

    def read(self, state: State, version: int) -> None:
        """Take over what the row says, unless it is older than what this process has found."""
        if version > self.version:
            self.version, self.is_news = version, False
        if not self.is_news and version == self.version:
            self.take_over(state)


@dataclass(slots=True)
class Judged(Remembered):
    """Something that calls go to, and that is judged by what becomes of them."""

    judge: Judge = field(default_factory=lambda: Judge(misses=5, window=Window()))
    in_flight: int = 0
    trials: int = 0  # calls in flight that were planned in this state

    def become(self, state: State) -> None:
        Remembered.become(self, state)
        self.trials = 0
        self.judge.clear()

    def began(self, turn: int) -> None:
        """A call that was planned in this turn is on its way. It says `ended` in any case."""
        self.in_flight += 1
        self.trials += turn == self.turn

    def ended(self, turn: int) -> None:
        self.in_flight -= 1
        self.trials -= turn == self.turn
