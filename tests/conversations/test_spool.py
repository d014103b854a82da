"""The spool: a file that keeps what was appended, within bounds."""

import stat
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.conversations.spool.files import SpooledRecord, SpooledTurn, connect, oldest, transaction
from apps.conversations.spool.writer import MAX_QUEUED, MAX_QUEUED_BYTES, Spool, SpoolFull
from tests.conversations.spools import calls_in, record, wait_until

# Records

TURNS = st.builds(SpooledTurn, st.integers(0, 99), st.none() | st.integers(0, 99), st.text(max_size=9), st.text())
RECORDS = st.builds(
    SpooledRecord,
    call=st.text(max_size=32),
    turns=st.lists(TURNS, max_size=3).map(tuple),
    final=st.booleans(),
    head=st.text(max_size=32),
    tail=st.text(max_size=32),
    history=st.integers(0, 99),
)


@given(spooled=RECORDS)
def test_a_record_comes_back_as_it_went(spooled: SpooledRecord) -> None:
    assert SpooledRecord.from_body(spooled.body()) == spooled


BAD_BODIES = [b"", b"{", b"null", b"[]", b"{}", b'{"turns": []}', b'{"call": "a", "turns": [3]}', b'{"turns": 3}']

BAD_BODIES += [b'{"call": "a", "turns": [], "novelty": 1}', b'{"call": "a", "turns": [{"seq": 1}]}', b"\xff"]


@pytest.mark.parametrize("body", BAD_BODIES)
def test_what_is_no_record_is_refused(body: bytes) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        SpooledRecord.from_body(body)


# Writing


def test_records_are_committed_in_order(spool: Spool, path: Path) -> None:
    names = [f"call {number}" for number in range(1000)]

    for name in names:
        spool.append(record(name))

    wait_until(lambda: calls_in(path) == names)


def test_stopping_commits_all(path: Path) -> None:
    spool = Spool(path)
    spool.start()
    for number in range(3000):
        spool.append(record(f"call {number}"))

    spool.stop()

    assert calls_in(path) == [f"call {number}" for number in range(3000)]


def test_a_spool_goes_on_where_it_was(path: Path) -> None:
    for name in ("first", "second"):
        spool = Spool(path)
        spool.start()
        spool.append(record(name))
        spool.stop()

    assert calls_in(path) == ["first", "second"]


def test_only_the_owner_may_read_it(spool: Spool, path: Path) -> None:
    spool.append(record("call"))
    wait_until(lambda: calls_in(path) == ["call"])

    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}

    assert set(modes.values()) == {0o600}, modes
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_appending_does_not_wait_for_the_disk(spool: Spool, path: Path) -> None:
    file = connect(path)
    with transaction(file):
        started = time.monotonic()
        for number in range(100):
            spool.append(record(f"call {number}"))
        took = time.monotonic() - started

    file.close()
    assert took < 1.0
    wait_until(lambda: len(calls_in(path)) == 100)


def test_the_oldest_record_tells_how_long_it_waits(spool: Spool, path: Path) -> None:
    before = time.time()
    spool.append(record("call"))
    wait_until(lambda: oldest(path) is not None)

    waits_since = oldest(path)

    assert waits_since is not None and before <= waits_since <= time.time()


def test_an_empty_spool_has_no_oldest_record(spool: Spool, path: Path) -> None:
    assert oldest(path) is None


@pytest.mark.parametrize("number", range(20))
def test_whoever_looks_at_a_new_spool_does_not_hinder_it(path: Path, number: int) -> None:
    spool = Spool(path)

    spool.start()
    file = connect(path)
    spool.append(record("call"))
    spool.stop()

    assert file.execute("SELECT call FROM records").fetchall() == [("call",)]
    file.close()


# Bounds


@pytest.fixture
def unwritten(path: Path) -> Spool:
    """A spool whose disk takes nothing: its thread has not been started."""
    return Spool(path)


def test_it_is_full_when_too_many_records_wait(unwritten: Spool) -> None:
    for number in range(MAX_QUEUED):
        assert unwritten.is_full == (number >= MAX_QUEUED // 2)
        unwritten.append(record("call", ""))

    with pytest.raises(SpoolFull):
        unwritten.append(record("call"))


def test_it_is_full_when_too_many_bytes_wait(unwritten: Spool) -> None:
    large = record("call", "x" * 2**20)

    with pytest.raises(SpoolFull):
        for _ in range(MAX_QUEUED_BYTES // 2**20):
            unwritten.append(large)

    assert unwritten.is_full
    assert MAX_QUEUED_BYTES - 2**21 < unwritten.waiting_bytes <= MAX_QUEUED_BYTES


def test_a_record_that_was_refused_does_not_count(unwritten: Spool) -> None:
    with pytest.raises(SpoolFull):
        unwritten.append(record("call", "x" * MAX_QUEUED_BYTES))

    assert not unwritten.is_full
    unwritten.append(record("call"))


def test_once_written_the_room_is_there_again(path: Path, hasty_threads: None) -> None:
    spool = Spool(path)
    spool.start()
    for _ in range(60_000):
        wait_until(lambda: not spool.is_full)
        spool.append(record("call"))

    spool.stop()

    assert spool.waiting_bytes == 0
