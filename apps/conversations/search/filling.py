"""Filling the index with text of before there was one, from the latest call backwards, a little at a time.

How far it has come is a row, changed in the transaction that adds the texts. So it may stop anywhere and go on later,
and nothing is added twice.
"""

import time
from collections import defaultdict

from django.db import connection, transaction

from apps.common.cursor import cursor_on
from apps.conversations.models import Call, SearchProgress, Turn
from apps.conversations.search.index import Piece, index
from apps.conversations.search.words import comparable, joined

STEP = 16  # calls in one transaction, so that no student's call waits long


def fill(*, seconds: float) -> int:
    """Go on for so many seconds at most; how many calls with text were looked at."""
    looked_at, deadline = 0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not (done := _step()):
            break
        looked_at += done
    return looked_at


def _step() -> int:
    progress = SearchProgress.objects.first()
    if progress is None or not progress.before:
        return 0
    calls = _with_text(progress.before)
    pieces = _pieces(calls)
    connection.ensure_connection()
    cursor = cursor_on(connection)
    with transaction.atomic(), cursor.wrap_errors:
        before = calls[-1].pk if calls else ""
        if SearchProgress.objects.filter(pk=progress.pk, before=progress.before).update(before=before) and pieces:
            index().add(cursor, pieces)
    return len(calls)


def _with_text(before: str) -> list[Call]:
    """The latest calls of before that have text, latest first."""
    turns = Turn.objects.filter(call__lt=before).order_by("-call").values_list("call", flat=True)
    calls = Call.objects.filter(pk__in=list(turns.distinct()[:STEP]))
    return list(calls.order_by("-pk").only("pk", "course", "membership"))


def _pieces(calls: list[Call]) -> list[Piece]:
    """What each call added, unless it has been added since."""
    wanted = {call.pk: call for call in calls}
    texts: dict[str, list[tuple[int | None, str]]] = defaultdict(list)
    turns = Turn.objects.filter(call__in=wanted, call__search_documents=None).order_by("call", "seq")
    for call, message, text in turns.values_list("call_id", "message", "text"):
        texts[call].append((message, text))
    return [
        Piece(call, 0, wanted[call].course_id, wanted[call].membership_id, comparable(joined(parts)))
        for call, parts in texts.items()
    ]
