"""Worlds made several at a time, since it takes the gateway up to half a second to notice what was made."""

import contextlib
from collections import deque
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from tests.chat.world import World, create_world
from tests.live import Gateway
from tests.provider_stub import ProviderStub


@dataclass(frozen=True, slots=True)
class Ready:
    """A world that the gateway has seen, and the providers in it. Nobody else gets them."""

    world: World
    stubs: tuple[ProviderStub, ...]


class WorldPool:
    """Hands out worlds that are alike. `options` are those of `create_world`."""

    def __init__(self, gateway: Gateway, *, providers: int = 1, batch: int = 8, **options: Any) -> None:
        self._gateway, self._providers, self._batch, self._options = gateway, providers, batch, options
        self._ready: deque[Ready] = deque()
        self._exit = contextlib.ExitStack()

    def __enter__(self) -> "WorldPool":
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def take(self) -> Ready:
        if not self._ready:
            with transaction.atomic():
                self._ready.extend(self._make() for _ in range(self._batch))
            self._ready[-1].world.wait_until_seen()
        return self._ready.popleft()

    def _make(self) -> Ready:
        stubs = tuple(self._exit.enter_context(ProviderStub()) for _ in range(self._providers))
        world = self._exit.enter_context(create_world(self._gateway, *stubs, **self._options))
        return Ready(world, stubs)
