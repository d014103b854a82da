"""What pages say about a grant: whether the course has that much left, and for ten seconds how to undo it."""

from datetime import datetime
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import get_token
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_POST

from apps.accounts.course_pages import course_page
from apps.accounts.models import Course
from apps.accounts.permissions import Verb
from apps.accounts.scoping import may
from apps.common.display import number
from apps.common.translation import lazy as _
from apps.quotas import standing
from apps.quotas.admin.access import user_of
from apps.quotas.undoing import undo

TOO_LATE = _("Nothing was undone: a grant can be undone for ten seconds, once, and while it is unused.")


def beyond(course: Course, *, tokens: int, now: datetime) -> str:
    """A question if all of this together is more than the course has left; empty if it is not."""
    balance = standing.whole_course(course, now=now)
    left = balance.remaining
    if left is None or tokens <= left:
        return ""
    days = max((balance.account.week.ends_at - now).days, 0)
    return ngettext(
        "The course has {left} tokens left for {days} day, and this grants {tokens}. Nobody can "
        "use more than the course has. Grant anyway?",
        "The course has {left} tokens left for {days} days, and this grants {tokens}. Nobody can "
        "use more than the course has. Grant anyway?",
        days,
    ).format(left=number(left), days=days, tokens=number(tokens))


def way_back(request: HttpRequest, course: Course) -> str:
    """The page that the form names, if it is one of the admin's; else the course's Allowance page."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    return wanted if wanted.startswith("/admin/") else reverse("admin:course_allowance", args=[course.slug])


def tell_granted(request: HttpRequest, course: Course, said: str, *, id: UUID, back: str) -> None:
    """Say what was granted, with a button that takes it back."""
    form = (
        '{} <form class="stoa-undo" method="post" action="{}"><input type="hidden" name="csrfmiddlewaretoken" '
        'value="{}"><input type="hidden" name="grant" value="{}"><input type="hidden" name="next" value="{}">'
        '<button class="stoa-button small" type="submit">{}</button></form>'
    )
    address = reverse("admin:course_undo", args=[course.slug])
    messages.success(request, format_html(form, said, address, get_token(request), id.hex, back, gettext("Undo")))


@require_POST
@course_page
def undo_page(request: HttpRequest, course: Course) -> HttpResponse:
    """Take back a grant that this person gave some seconds ago."""
    if not may(request, Verb.ACT, "AllowanceRequest", course.pk):
        raise PermissionDenied
    back = HttpResponseRedirect(way_back(request, course))
    try:
        id = UUID(hex=request.POST.get("grant", ""))
    except ValueError:
        messages.error(request, gettext("This is no grant. Nothing was changed."))
        return back
    done = undo(id, by=user_of(request), now=timezone.now())
    if done is None:
        messages.warning(
            request, gettext("Nothing was undone: a grant can be undone for ten seconds, once, and while it is unused.")
        )
        return back
    stays = gettext(" {spent} are used already and stay.").format(spent=number(done.spent)) if done.spent else ""
    messages.success(
        request, gettext("Undone: {tokens} tokens taken back.{stays}").format(tokens=number(done.tokens), stays=stays)
    )
    return back
