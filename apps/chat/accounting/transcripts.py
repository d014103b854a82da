"""Transcripts: the text of a call on its way to the spool."""

import logging
from collections import OrderedDict

from apps.chat.call import ChatCall
from apps.conversations import history
from apps.conversations.history import Message, Place
from apps.conversations.spool.files import SpooledRecord, SpooledTurn
from apps.conversations.spool.writer import Spool, SpoolFull

logger = logging.getLogger(__name__)

MAX_KNOWN = 50_000


class KnownEnds:
    """Ends of conversations that this process has spooled, whose history need not be spooled again."""

    def __init__(self) -> None:
        self._ends: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, digest: str) -> bool:
        return digest in self._ends

    def add(self, digest: str) -> None:
        self._ends[digest] = None
        if len(self._ends) > MAX_KNOWN:
            self._ends.popitem(last=False)


class Transcript:
    """Spools the prompt and the answer of one call: in pieces while it streams, and the rest at its end."""

    def __init__(self, call: ChatCall, *, spool: Spool, known_ends: KnownEnds) -> None:
        self._spool, self._ends = spool, known_ends
        self._call = call
        self._is_kept = call.principal.logging == "full"
        self._has_prompt = False
        self._is_whole = True
        self._pieces = 0
        self._seq = len(call.messages)
        self._place: Place | None = None

    def checkpoint(self, pieces: list[str]) -> None:
        """Spool the new pieces of the answer."""
        if self._is_kept and len(pieces) > self._pieces:
            self._append(SpooledRecord(call=self._call.id, turns=(*self._prompt(), *self._answer(pieces))))

    def finish(self, answer: list[str] | None, *, matched_as: str | None = None) -> None:
        """Spool the rest, with the place in the conversation. `answer` is None if there was none.

        `matched_as` is the text by which later calls recognise the answer; None means all of it. Settle the call after
        this: the writer first flushes its text to disk, so that a settled call keeps its text even if the process is
        killed.
        """
        if not self._is_kept:
            return
        place = self._locate()
        whole = matched_as if matched_as is not None else "".join(answer or ())
        tail = history.extend(place.digest, "assistant", whole) if whole else ""
        turns = (*self._prompt(), *(self._answer(answer) if answer else ()))
        record = SpooledRecord(
            call=self._call.id, turns=turns, final=True, head=place.head, tail=tail, history=place.history
        )
        self._append(record)
        if tail and self._is_whole:
            self._ends.add(tail)

    def _locate(self) -> Place:
        if self._place is None:
            self._place = history.locate(self._call.messages, membership_id=self._call.principal.membership_id)
        return self._place

    def _prompt(self) -> list[SpooledTurn]:
        """The new messages, once; all messages if this process does not know the conversation they continue."""
        if self._has_prompt:
            return []
        self._has_prompt = True
        place = self._locate()
        messages: tuple[Message, ...] = self._call.messages
        if place.head in self._ends:
            messages = messages[place.history :]
        return [SpooledTurn(m.position, m.position, m.role, m.text) for m in messages]

    def _answer(self, pieces: list[str]) -> list[SpooledTurn]:
        text = "".join(pieces[self._pieces :])
        self._pieces = len(pieces)
        if not text:
            return []
        self._seq += 1
        return [SpooledTurn(self._seq - 1, None, "assistant", text)]

    def _append(self, record: SpooledRecord) -> None:
        try:
            self._spool.append(record)
        except SpoolFull as error:
            self._is_whole = False
            logger.error("Text of call %s is lost: %s", self._call.id, error)
