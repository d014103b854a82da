"""Rate limits counted in Redis, for all processes together. Each script is one atomic step.

Time is Redis's own, so all processes agree about it. An open request holds a lease: its process renews it, and it
expires if the process dies.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from apps.common.ids import new_id
from apps.common.redis_client import AWAY, close_client, open_client
from apps.quotas.rate_limits.limits import SECOND, Count, Scope
from apps.quotas.rate_limits.log import MANY, SLICE

LEASE = 30 * SECOND
SOCKET_SECONDS = 0.5  # ends a command for which nobody waits any more
BATCH = 500  # open requests or corrections per script: Redis does nothing else meanwhile

Places = Mapping[str, Sequence[Scope]]
_ADMIT, _CORRECT, _KEEP = (Path(__file__).with_name(f"{name}.lua").read_text() for name in ("admit", "correct", "keep"))


class Correction(NamedTuple):
    """The amount that an id counts with from now on."""

    scopes: Sequence[Scope]
    id: str
    amount: int


class CountsAway(Exception):
    """Redis did not count: it is unreachable, or not able to."""


class RedisCounts:
    """The counts of all processes. Every method raises CountsAway, at the latest after a few times `patience`.

    `patience` is in seconds. `clock` gives microseconds in place of Redis's own clock.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "stoa:rate",
        clock: Callable[[], int] | None = None,
        patience: float = SOCKET_SECONDS,
    ) -> None:
        self._redis = open_client(url, patience=patience)
        self._prefix, self._clock = prefix, clock
        self._process = new_id()
        self._admit = self._redis.register_script(_ADMIT)
        self._correct = self._redis.register_script(_CORRECT)
        self._keep = self._redis.register_script(_KEEP)

    async def admit(self, scopes: Sequence[Scope], *, id: str, amount: int = 1) -> tuple[int, list[Count]]:
        """The time, and the counts before. Redis counts the amount if `judge` admits it to these counts."""
        keys = [key for scope in scopes for key in (*self._log(scope), self._key(scope, "open"))]
        limits = [limit or "" for scope in scopes for limit in (scope.per_minute, scope.at_once, scope.window)]
        now, *numbers = await self._run(self._admit, keys, [id, self._now(), LEASE, amount, *limits])
        return now, [Count(*numbers[i : i + 4]) for i in range(0, len(numbers), 4)]

    async def correct(self, corrections: Iterable[Correction]) -> None:
        """Replace admitted amounts by the true ones. Repeating it changes nothing."""
        each = ((scope, id, amount) for scopes, id, amount in corrections for scope in scopes)
        while some := list(islice(each, BATCH)):
            keys = [key for scope, _, _ in some for key in self._log(scope)]
            arguments = [SLICE, MANY, *(value for _, id, amount in some for value in (id, amount))]
            await self._run(self._correct, keys, arguments)

    async def keep(self, *, left: Places, open: Places) -> int:
        """Release the requests in `left`, and renew the leases of `open`. Returns how many processes count here."""
        leaving, staying = iter(self._places(left)), iter(self._places(open))
        while True:
            back = list(islice(leaving, BATCH))
            both = back + list(islice(staying, BATCH - len(back)))
            keys = [f"{self._prefix}:processes", *(key for key, _ in both)]
            arguments = [self._process, self._now(), LEASE, len(back), *(id for _, id in both)]
            processes: int = await self._run(self._keep, keys, arguments)
            if len(both) < BATCH:
                return processes

    async def ping(self) -> None:
        try:
            await self._redis.ping()
        except AWAY as error:
            raise CountsAway from error

    async def aclose(self) -> None:
        await close_client(self._redis)

    def _key(self, scope: Scope, what: str) -> str:
        return f"{self._prefix}:{scope.kind}:{scope.id}:{what}"

    def _log(self, scope: Scope) -> tuple[str, str]:
        return self._key(scope, scope.unit), self._key(scope, f"{scope.unit}:amounts")

    def _places(self, requests: Places) -> list[tuple[str, str]]:
        return [
            (self._key(scope, "open"), id)
            for id, scopes in requests.items()
            for scope in scopes
            if scope.at_once is not None
        ]

    def _now(self) -> int | str:
        return "" if self._clock is None else self._clock()

    async def _run(self, script: Any, keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
        try:
            return await script(keys, arguments)
        except AWAY as error:
            raise CountsAway from error
