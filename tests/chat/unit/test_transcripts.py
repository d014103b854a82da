"""The text of a call on its way to the spool."""

import itertools

import pytest

from apps.chat.accounting.transcripts import KnownEnds, Transcript
from apps.chat.call import ChatCall
from apps.chat.runtime import ChatRuntime
from apps.conversations import history
from apps.conversations.spool import files
from apps.conversations.spool.files import SpooledRecord, SpooledTurn
from apps.conversations.spool.writer import MAX_QUEUED_BYTES
from tests.chat.unit.values import a_call, a_principal


def transcript_of(runtime: ChatRuntime, call: ChatCall) -> Transcript:
    return Transcript(call, spool=runtime.spool, known_ends=runtime.books.known_ends)


def spooled(runtime: ChatRuntime) -> list[SpooledRecord]:
    """What has been spooled; nothing more can be afterwards."""
    runtime.spool.stop()
    file = files.connect(runtime.spool.path)
    bodies = file.execute("SELECT body FROM records ORDER BY id").fetchall()
    file.close()
    return [SpooledRecord.from_body(body) for (body,) in bodies]


def turns(records: list[SpooledRecord]) -> list[tuple[int, int | None, str, str]]:
    return [(turn.seq, turn.message, turn.role, turn.text) for record in records for turn in record.turns]


def end_of(*texts: str) -> str:
    """The tail of a call with these messages, of which the last is its answer."""
    place = history.locate(a_call(*texts[:-1]).messages, membership_id=2)
    return history.extend(place.digest, "assistant", texts[-1])


async def test_prompt_and_answer_are_one_record_with_their_place(runtime: ChatRuntime) -> None:
    transcript_of(runtime, a_call("1")).finish(["2a", "2b"])

    assert spooled(runtime) == [
        SpooledRecord(
            call="call",
            turns=(SpooledTurn(0, 0, "user", "1"), SpooledTurn(1, None, "assistant", "2a2b")),
            final=True,
            tail=end_of("1", "2a2b"),
        )
    ]


@pytest.mark.parametrize("answer", [None, [], [""]], ids=repr)
async def test_a_call_without_an_answer_has_its_prompt_spooled(runtime: ChatRuntime, answer: list[str] | None) -> None:
    transcript_of(runtime, a_call("1")).finish(answer)

    (record,) = spooled(runtime)
    assert turns([record]) == [(0, 0, "user", "1")]
    assert (record.final, record.tail) == (True, "")


# Only what is new


async def test_a_history_that_this_process_does_not_know_is_spooled_whole(runtime: ChatRuntime) -> None:
    transcript_of(runtime, a_call("1", "2", "3")).finish(["4"])

    (record,) = spooled(runtime)
    assert [text for *_, text in turns([record])] == ["1", "2", "3", "4"]
    assert (record.head, record.history) == (end_of("1", "2"), 2)


async def test_a_history_that_this_process_has_spooled_is_not_spooled_again(runtime: ChatRuntime) -> None:
    transcript_of(runtime, a_call("1")).finish(["2"])
    transcript_of(runtime, a_call("1", "2", "3", id="next")).finish(["4"])

    _, record = spooled(runtime)
    assert turns([record]) == [(2, 2, "user", "3"), (3, None, "assistant", "4")]
    assert (record.head, record.tail, record.history) == (end_of("1", "2"), end_of("1", "2", "3", "4"), 2)


async def test_another_student_s_history_is_not_taken_for_known(runtime: ChatRuntime) -> None:
    transcript_of(runtime, a_call("1")).finish(["2"])
    transcript_of(runtime, a_call("1", "2", "3", principal=a_principal(membership_id=9))).finish(["4"])

    assert len(spooled(runtime)[1].turns) == 4


async def test_a_history_that_was_never_finished_is_not_taken_for_known(runtime: ChatRuntime) -> None:
    transcript_of(runtime, a_call("1")).checkpoint(["2"])
    transcript_of(runtime, a_call("1", "2", "3", id="next")).finish(["4"])

    assert len(spooled(runtime)[1].turns) == 4


async def test_a_history_that_could_not_be_spooled_is_not_taken_for_known(runtime: ChatRuntime) -> None:
    long = "x" * MAX_QUEUED_BYTES
    transcript_of(runtime, a_call(long)).finish(["2"])

    assert (end_of(long, "2") in runtime.books.known_ends) is False


def test_known_ends_are_bounded_and_the_oldest_go_first() -> None:
    ends = KnownEnds()

    for number in range(50_001):
        ends.add(str(number))

    assert ("0" in ends, "1" in ends, "50000" in ends) == (False, True, True)


# Pieces


async def test_checkpoints_and_the_rest_are_the_whole(runtime: ChatRuntime) -> None:
    transcript, pieces = transcript_of(runtime, a_call("1")), ["a"]
    transcript.checkpoint(pieces)
    pieces += ["b", "c"]
    transcript.checkpoint(pieces)
    pieces += ["d"]
    transcript.finish(pieces)

    records = spooled(runtime)

    assert turns(records) == [
        (0, 0, "user", "1"),
        (1, None, "assistant", "a"),
        (2, None, "assistant", "bc"),
        (3, None, "assistant", "d"),
    ]
    assert [record.final for record in records] == [False, False, True]
    assert records[-1].tail == end_of("1", "abcd")


async def test_a_checkpoint_without_news_spools_nothing(runtime: ChatRuntime) -> None:
    transcript = transcript_of(runtime, a_call("1"))

    transcript.checkpoint([])
    transcript.checkpoint(["a"])
    transcript.checkpoint(["a"])

    assert len(spooled(runtime)) == 1


async def test_an_answer_that_was_spooled_whole_needs_only_its_end(runtime: ChatRuntime) -> None:
    transcript = transcript_of(runtime, a_call("1"))
    transcript.checkpoint(["a"])

    transcript.finish(["a"])

    *_, last = spooled(runtime)
    assert (last.turns, last.final, last.tail) == ((), True, end_of("1", "a"))


@pytest.mark.parametrize("places", [*itertools.combinations_with_replacement(range(6), 2), (0, 1, 2, 3, 4, 5)], ids=str)
async def test_wherever_checkpoints_fall_nothing_is_lost_or_doubled(
    runtime: ChatRuntime, places: tuple[int, ...]
) -> None:
    pieces = ["a", "", "b", "c", ""]
    transcript = transcript_of(runtime, a_call("1"))

    for place in places:
        transcript.checkpoint(pieces[:place])
    transcript.finish(pieces)

    records = spooled(runtime)
    found = turns(records)
    assert "".join(text for _, message, _, text in found if message is None) == "abc"
    assert [seq for seq, *_ in found] == list(range(len(found)))
    assert [record.final for record in records] == [*[False] * (len(records) - 1), True]


# What is not to be kept


@pytest.mark.parametrize("logging", ["metadata", "off"])
async def test_a_course_that_keeps_no_text_spools_nothing(runtime: ChatRuntime, logging: str) -> None:
    transcript = transcript_of(runtime, a_call("1", principal=a_principal(logging=logging)))

    transcript.checkpoint(["a"])
    transcript.finish(["a", "b"])

    assert spooled(runtime) == []
    assert end_of("1", "ab") not in runtime.books.known_ends
