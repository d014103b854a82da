"""Fixtures of the chat path's stages."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from django.conf import settings

from apps.chat.dialects.openai_chat import OPENAI_CHAT
from apps.chat.relay.attempts import Providers
from apps.chat.relay.delivery import Delivery
from apps.chat.runtime import ChatRuntime
from apps.common.clients import RelayClient, RelayLimits
from apps.common.commit import Writer
from apps.common.owners import Owner
from apps.common.revisions import refresh_all
from apps.conversations.spool.writer import Spool
from apps.dataplane.plane import DataPlane
from apps.providers.health.memory import Health
from tests.chat.unit.deliveries import a_head
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
async def runtime(tmp_path: Path) -> AsyncIterator[ChatRuntime]:
    """A runtime of which only the spool is at work."""
    client = RelayClient(RelayLimits(connect_timeout=1, pool_timeout=1, keepalive_expiry=1, max_connections=1))
    with seen_alive() as owner:
        writer, spool = Writer(sign=owner.id), Spool(tmp_path / "spool.sqlite3")
        plane = DataPlane(owner=owner, writer=writer, client=client)
        runtime = ChatRuntime(plane=plane, spool=spool, providers=Providers({}, Health()))
        runtime.spool.start()
        yield runtime
        runtime.spool.stop()
        await client.close()


async def reload(runtime: ChatRuntime) -> None:
    """Have it see what has been changed in the database."""
    await asyncio.to_thread(refresh_all, [*runtime.plane.snapshots, *runtime.snapshots])


@pytest.fixture
async def ledger(runtime: ChatRuntime, desk: Desk) -> AsyncIterator[ChatRuntime]:
    """A runtime that knows the desk's student, and whose writer can be started."""
    await reload(runtime)
    yield runtime
    await asyncio.to_thread(runtime.plane.writer.stop)


@pytest.fixture
def adapter(ledger: ChatRuntime) -> ScriptedAdapter:
    """The only provider. The writer is at work."""
    adapter = ScriptedAdapter()
    ledger.providers = Providers({"openai": adapter}, Health())
    ledger.plane.writer.start()
    return adapter


@pytest.fixture
def upstream(adapter: ScriptedAdapter) -> ScriptedUpstream:
    return adapter.upstream


@pytest.fixture
async def delivery() -> Delivery:
    return Delivery(request_id="r", dialect=OPENAI_CHAT)


@pytest.fixture
async def begun(delivery: Delivery) -> Delivery:
    """A stream whose answer has begun."""
    delivery.begin(a_head())
    return delivery
