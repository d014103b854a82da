"""Fixtures of the chat path's stages."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from django.conf import settings

from apps.chat.runtime import Plane
from apps.common.clients import RelayClient, RelayLimits
from apps.common.commit import Writer
from apps.common.owners import Owner
from apps.common.revisions import refresh_all
from apps.conversations.spool.writer import Spool
from tests.chat.unit.desk import Desk
from tests.chat.unit.upstreams import ScriptedAdapter, ScriptedUpstream


@contextlib.contextmanager
def seen_alive() -> Iterator[Owner]:
    """An owner that a gateway beside the tests sees alive. It would end the holds of any other as a dead one's."""
    owner = Owner(settings.OWNER_DIR)
    yield owner
    owner.close()


@pytest.fixture
def desk(committed_db: None) -> Iterator[Desk]:
    with seen_alive() as owner:
        writer = Writer(name="desk", sign=owner.id)
        writer.start()
        yield Desk(writer, owner=owner.id)
        writer.stop()


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    """A plane of which only the spool is at work."""
    client = RelayClient(RelayLimits(connect_timeout=1, pool_timeout=1, keepalive_expiry=1, max_connections=1))
    with seen_alive() as owner:
        writer, spool = Writer(sign=owner.id), Spool(tmp_path / "spool.sqlite3")
        plane = Plane(owner=owner, writer=writer, spool=spool, client=client, adapters={})
        plane.spool.start()
        yield plane
        plane.spool.stop()
        await client.close()


@pytest.fixture
async def ledger(plane: Plane, desk: Desk) -> AsyncIterator[Plane]:
    """A plane that knows the desk's student, and whose writer can be started."""
    await asyncio.to_thread(refresh_all, plane.snapshots)
    yield plane
    await asyncio.to_thread(plane.writer.stop)


@pytest.fixture
def adapter(ledger: Plane) -> ScriptedAdapter:
    """The only provider. The writer is at work."""
    adapter = ScriptedAdapter()
    ledger.adapters = {"openai": adapter}
    ledger.writer.start()
    return adapter


@pytest.fixture
def upstream(adapter: ScriptedAdapter) -> ScriptedUpstream:
    return adapter.upstream
