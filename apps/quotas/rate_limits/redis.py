"""Limits counted in Redis, for all processes together: one script for requests and one for tokens, each an atomic step.

The time is Redis' own, so that no two processes disagree about it. A place among the open requests is a lease: its
process renews it, and if the process dies it lapses.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from apps.common.ids import new_id
from apps.common.redis_client import AWAY, close_client, open_client
from apps.quotas.rate_limits.requests import SECOND, WINDOW, Count, Scope
from apps.quotas.rate_limits.tokens import MANY, MOST, SLICE, TokenCount, TokenScope

LEASE = 30 * SECOND
SOCKET_SECONDS = 0.5  # the end of a command that nobody waits for any more
BATCH = 500  # places a call: Redis does nothing else meanwhile

Places = Mapping[str, Sequence[Scope]]
Corrections = Mapping[str, tuple[Sequence[TokenScope], int]]
_ADMIT, _KEEP, _TAKE, _CORRECT = (
    Path(__file__).with_name(f"{name}.lua").read_text() for name in ("admit", "keep", "take", "correct")
)


class CountsAway(Exception):
    """Redis did not count: it is away, or in no state to."""


class RedisCounts:
    """The counts of all processes. Every method raises CountsAway, at the latest after a few times `patience`.

    `clock` gives microseconds in place of Redis' own.
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
        self._keep = self._redis.register_script(_KEEP)
        self._take = self._redis.register_script(_TAKE)
        self._correct = self._redis.register_script(_CORRECT)

    async def admit(self, scopes: Sequence[Scope], *, id: str) -> tuple[int, list[Count]]:
        """Now, and how the scopes stood before the request, which is counted if `judge` admits it to these counts.

        A request that is sent again counts once.
        """
        keys = [key for scope in scopes for key in (self._key(scope, "minute"), self._key(scope, "open"))]
        limits = [limit or "" for _, _, *pair in scopes for limit in pair]
        now, *numbers = await self._run(self._admit, keys, [id, self._now(), WINDOW, LEASE, *limits])
        return now, [Count(*numbers[i : i + 4]) for i in range(0, len(numbers), 4)]

    async def keep(self, *, left: Places, open: Places) -> int:
        """Give back the places of those who left, and renew the leases of the others. How many processes count here."""
        leaving, staying = iter(self._places(left)), iter(self._places(open))
        while True:
            back = list(islice(leaving, BATCH))
            both = back + list(islice(staying, BATCH - len(back)))
            keys = [f"{self._prefix}:processes", *(key for key, _ in both)]
            arguments = [self._process, self._now(), LEASE, len(back), *(id for _, id in both)]
            processes: int = await self._run(self._keep, keys, arguments)
            if len(both) < BATCH:
                return processes

    async def take(self, scopes: Sequence[TokenScope], *, id: str, amount: int) -> tuple[int, list[TokenCount]]:
        """Now, and how the scopes stood before the call, whose tokens are counted if `judge_tokens` admits it."""
        keys = [key for scope in scopes for key in self._token_keys(scope)]
        limits = [scope.per_minute for scope in scopes]
        now, *numbers = await self._run(self._take, keys, [id, self._now(), WINDOW, SLICE, MOST, amount, *limits])
        return now, [TokenCount(*numbers[i : i + 3]) for i in range(0, len(numbers), 3)]

    async def correct(self, corrections: Corrections) -> None:
        """Replace what calls took by what they cost. Repeating it changes nothing."""
        each = ((scope, id, amount) for id, (scopes, amount) in corrections.items() for scope in scopes)
        while some := list(islice(each, BATCH)):
            keys = [key for scope, _, _ in some for key in self._token_keys(scope)]
            arguments = [SLICE, MANY, *(value for _, id, amount in some for value in (id, amount))]
            await self._run(self._correct, keys, arguments)

    async def ping(self) -> None:
        try:
            await self._redis.ping()
        except AWAY as error:
            raise CountsAway from error

    async def aclose(self) -> None:
        await close_client(self._redis)

    def _key(self, scope: Scope | TokenScope, what: str) -> str:
        return f"{self._prefix}:{scope.kind}:{scope.id}:{what}"

    def _token_keys(self, scope: TokenScope) -> tuple[str, str]:
        return self._key(scope, "tokens"), self._key(scope, "amounts")

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
