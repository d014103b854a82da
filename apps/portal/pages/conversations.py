"""A student's own conversations: what staff can read, the student can read."""

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from apps.conversations.models import Call, Thread
from apps.portal.pages.access import Visit, shown, student_page
from apps.portal.pages.refusals import read_as_student, said, with_told_hits

THREADS_ON_A_PAGE = CALLS_ON_A_PAGE = 25


@require_safe
@student_page
def listed(request: HttpRequest, visit: Visit) -> HttpResponse:
    rows = Thread.objects.filter(membership=visit.member).order_by("-last_at")
    pages = Paginator(rows, THREADS_ON_A_PAGE).get_page(request.GET.get("page"))
    return shown(request, visit, "conversations", {"page": pages})


@require_safe
@student_page
def page(request: HttpRequest, visit: Visit, pk: int) -> HttpResponse:
    thread = Thread.objects.filter(membership=visit.member, pk=pk).first()
    if thread is None:
        raise Http404
    calls = with_told_hits(Call.objects.filter(exchange__thread=thread)).order_by("pk")
    paginator = Paginator(calls, CALLS_ON_A_PAGE)
    pages = paginator.get_page(request.GET.get("page", paginator.num_pages))
    readings = [(one, said(one)) for one in read_as_student(pages, now=visit.now)]
    context = {"thread": thread, "page": pages, "readings": readings}
    return shown(request, visit, "conversation", context)
