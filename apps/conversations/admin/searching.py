"""Searching the list of conversations: by words through the index, and by student."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models.functions import Substr
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.accounts.course_pages import course_of, lists_course
from apps.accounts.models import Membership
from apps.accounts.permissions import Verb
from apps.accounts.scoping import courses_where
from apps.common.admin import is_operator
from apps.conversations.marks import MarkedText
from apps.conversations.models import MOST_MEMBERS, Exchange, Thread, Turn
from apps.conversations.search.index import MOST, Within, find
from apps.conversations.search.words import Phrase, phrases
from apps.conversations.snippets import snippet

LOOKED_AT = 50_000  # characters of each text in which a snippet is looked for
MOST_TURNS = 500


@dataclass(frozen=True, slots=True)
class FoundThreads:
    """Conversations that a search found: by words, with the latest call that has them, and by their student."""

    phrases: Sequence[Phrase] = ()
    calls: Mapping[int, str] = field(default_factory=dict)
    of_people: Sequence[int] = ()

    @property
    def ids(self) -> list[int]:
        return list({*self.calls, *self.of_people})


def search(request: HttpRequest, threads: Any, term: str) -> FoundThreads:
    """The latest conversations with these words, and of students with this name, among those of the list."""
    wanted = phrases(term)
    calls = find(wanted, _within(request))
    by_call = dict(Exchange.objects.filter(call__in=calls).values_list("call", "thread"))
    latest = {by_call[call]: call for call in reversed(calls) if call in by_call}
    people = Membership.objects.for_staff(request.user).matching(term)
    if lists_course(request):
        people = people.filter(course=course_of(request))
    members = list(people.values_list("pk", flat=True)[:MOST_MEMBERS])
    own = threads.filter(membership__in=members).order_by("-last_at").values_list("pk", flat=True) if members else []
    return FoundThreads(wanted, latest, list(own[:MOST]))


def _within(request: HttpRequest) -> Within:
    student = request.GET.get("student", "")
    member = int(student) if student.isascii() and student.isdecimal() and len(student) < 19 else None
    if lists_course(request):
        return Within({getattr(course_of(request), "pk", 0)}, member)
    return Within(None if is_operator(request) else courses_where(request, Verb.SEE, Thread.__name__), member)


def snippets(found: FoundThreads, threads: Sequence[Thread]) -> dict[int, SafeString]:
    """For the rows of a page: where the words stand, each marked."""
    calls = {found.calls[thread.pk]: thread.pk for thread in threads if thread.pk in found.calls}
    texts: dict[int, list[str]] = defaultdict(list)
    turns = Turn.objects.filter(call__in=calls).annotate(part=Substr("text", 1, LOOKED_AT)).order_by("call", "seq")
    for call, part in turns.values_list("call", "part")[:MOST_TURNS]:
        texts[calls[call]].append(part)
    return {thread: _shown(snippet(parts, found.phrases)) for thread, parts in texts.items()}


def _shown(pieces: Sequence[MarkedText]) -> SafeString:
    said = format_html_join("", "{}", ((_piece(piece),) for piece in pieces))
    return format_html('<small class="stoa-snippet" dir="auto">{}</small>', said) if pieces else SafeString("")


def _piece(piece: MarkedText) -> SafeString | str:
    if piece.is_unseen:
        return format_html('<span class="stoa-unseen">{}</span>', piece.text)
    return format_html('<mark class="stoa-hit">{}</mark>', piece.text) if piece.rules else piece.text
