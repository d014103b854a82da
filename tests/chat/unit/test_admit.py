"""The first thing that becomes of a request: whether anything of it is done at all."""

from pathlib import Path

import pytest

from apps.chat.pipeline import refuse_if_closed
from apps.chat.runtime import ChatRuntime
from apps.common.errors import Unavailable
from apps.conversations.spool.files import SpooledRecord
from apps.conversations.spool.writer import MAX_QUEUED, Spool
from tests.chat.unit.values import a_principal


async def test_nothing_new_begins_while_the_process_stops(runtime: ChatRuntime) -> None:
    runtime.plane.is_draining = True

    with pytest.raises(Unavailable) as caught:
        refuse_if_closed(runtime, a_principal())

    assert (caught.value.code, caught.value.headers["retry-after"]) == ("shutting_down", "1")


async def test_nothing_is_answered_that_could_not_be_recorded(runtime: ChatRuntime, tmp_path: Path) -> None:
    runtime.spool = Spool(tmp_path / "stuck.sqlite3")  # its thread never runs, as if the disk stood still
    for _ in range(MAX_QUEUED // 2):
        runtime.spool.append(SpooledRecord(call="another"))

    with pytest.raises(Unavailable) as caught:
        refuse_if_closed(runtime, a_principal())

    assert caught.value.code == "recording_unavailable"
