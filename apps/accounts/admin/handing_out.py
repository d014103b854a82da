"""Handing out keys to students: a page that says how many get one, and issues them once confirmed."""

from collections.abc import Sequence
from uuid import uuid4

from django.contrib import admin, messages
from django.core.cache import cache
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from apps.accounts import new_keys
from apps.accounts.admin import new_keys as new_keys_page
from apps.accounts.admin.confirming import confirm, is_confirmed
from apps.accounts.course_pages import enter
from apps.accounts.models import ApiKey, Course, Membership, Role
from apps.accounts.permissions import Verb
from apps.accounts.scoping import may

MOST_AT_ONCE = 500
ONCE_FOR = 24 * 3600  # seconds for which a form that was sent is remembered


def urls() -> list[URLPattern]:
    """Addresses to add to those of students."""
    wrap = admin.site.admin_view
    return [path("course/<int:course_id>/keys/", wrap(hand_out_page), name="accounts_membership_keys")]


def hand_out_page(request: HttpRequest, course_id: int) -> HttpResponse:
    """Keys for the chosen students, or for all students of the course; by default for those without a valid one."""
    if not may(request, Verb.ADD, "ApiKey", course_id):
        raise Http404
    course = Course.objects.filter(pk=course_id).first()
    if course is None:
        raise Http404
    enter(request, course)
    chosen = _chosen(request, course)
    if not is_confirmed(request):
        return ask(request, course, chosen)
    without, others = split(chosen)
    members = [*without, *others] if request.POST.get("also") else without
    if len(members) > MOST_AT_ONCE:
        return ask(request, course, chosen)
    with transaction.atomic():  # the cache is a table of the same database: undone together
        if members and cache.add(f"handed-out:{request.POST['confirmed'][:40]}", 1, timeout=ONCE_FOR):
            issued = [(member, ApiKey.issue(membership=member)[1]) for member in members]
            return new_keys_page.show(request, [new_keys.of_member(*one) for one in issued])
    messages.warning(request, gettext("No key was issued: these students have been given theirs."))
    return HttpResponseRedirect(_students_of(course))


def ask(request: HttpRequest, course: Course, chosen: Sequence[Membership]) -> HttpResponse:
    """The page before it, which issues nothing. `chosen` are members of the course."""
    without, others = split(chosen)
    also = gettext("Another key also for the {others} with a valid one, which keeps working").format(
        others=_people(len(others))
    )
    return confirm(
        request,
        opts=Membership._meta,
        title=gettext("Hand out keys"),
        sentences=_said(len(without), len(others)),
        button=gettext("Hand out keys") if chosen and len(without) <= MOST_AT_ONCE else "",
        back=_students_of(course),
        people=without,
        chosen=chosen,
        action=reverse("admin:accounts_membership_keys", args=[course.pk]),
        once=uuid4().hex,
        option=also if others else "",
    )


def _said(without: int, others: int) -> list[str]:
    """How many get a key, and how many do not."""
    if without > MOST_AT_ONCE:
        return [
            gettext("{without} have no key. Choose at most {most_at_once} at once.").format(
                without=_people(without), most_at_once=MOST_AT_ONCE
            )
        ]
    if not without:
        everybody = gettext("Each of these students has a valid key; nobody needs one.")
        return [everybody if others else gettext("There is nobody to give a key to. Add students first.")]
    get = ngettext("{without} without a key gets one.", "{without} without a key get one.", without).format(
        without=_people(without)
    )
    told = [
        ngettext(
            "{get} The next page shows it, once, with a CSV file to download.",
            "{get} The next page shows them, once, with a CSV file to download.",
            without,
        ).format(get=get)
    ]
    if others:
        told.append(
            ngettext("{others} with a valid key gets none.", "{others} with a valid key get none.", others).format(
                others=_people(others)
            )
        )
    return told


def split(members: Sequence[Membership]) -> tuple[list[Membership], list[Membership]]:
    """Those without a valid key, and those who have one."""
    valid = ApiKey.objects.valid(now=timezone.now()).filter(membership__in=[member.pk for member in members])
    holders = set(valid.values_list("membership", flat=True))
    without = [member for member in members if member.pk not in holders]
    return without, [member for member in members if member.pk in holders]


def _chosen(request: HttpRequest, course: Course) -> list[Membership]:
    """Active members that the request names; if it names none, all students. Ignores all other ids."""
    wanted = set(request.POST.getlist("member"))
    active = course.memberships.filter(is_active=True).select_related("user", "course").order_by("external_id")
    if not wanted:
        return list(active.filter(role=Role.STUDENT))
    return [member for member in active if str(member.pk) in wanted]


def _people(count: int) -> str:
    return ngettext("{count} student", "{count} students", count).format(count=count)


def _students_of(course: Course) -> str:
    return reverse("admin:course_students", args=[course.slug])
