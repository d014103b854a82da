"""Deactivating students, who keep what they did, and taking them back."""

from typing import Any

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from apps.accounts.admin.confirming import confirm, is_confirmed, page_of_student
from apps.accounts.course_pages import enter
from apps.accounts.models import Membership
from apps.accounts.permissions import Verb
from apps.accounts.scoping import may
from apps.common.translation import lazy as _

INSTEAD = _("{} has used Stoa and cannot be deleted. Deactivate the student instead; what they did stays.")


def urls() -> list[URLPattern]:
    """Addresses to add to those of students."""
    wrap = admin.site.admin_view
    return [
        path("<int:pk>/deactivate/", wrap(deactivate_page), name="accounts_membership_deactivate"),
        path("<int:pk>/activate/", wrap(activate_page), name="accounts_membership_activate"),
    ]


def has_done_something(member: Any) -> bool:
    """Whether deleting this member would delete what they did. Most of these tables belong to apps above this one."""
    return bool(member.calls.exists() or member.service_records.exists() or member.allowance_requests.exists())


def deactivate_page(request: HttpRequest, pk: int) -> HttpResponse:
    member = _changed_member(request, pk)
    if is_confirmed(request):
        is_done = Membership.objects.filter(pk=pk, is_active=True).update(is_active=False, left_roster=False)
        told = (
            gettext("{person} is deactivated and refused within two seconds.").format(person=member.person)
            if is_done
            else gettext("This was done before.")
        )
        messages.success(request, told)
        return HttpResponseRedirect(page_of_student(member))
    count = member.api_keys.valid(now=timezone.now()).count()
    sentences = [
        ngettext(
            "{person} cannot ask anything any more: {count} valid key is refused within two seconds.",
            "{person} cannot ask anything any more: {count} valid keys are refused within two seconds.",
            count,
        ).format(person=member.person, count=count),
        gettext(
            "Conversations, appeals and what was used stay. You can activate them again at any time; "
            "the keys work then."
        ),
    ]
    return _ask(
        request,
        member,
        title=gettext("Deactivate student"),
        sentences=sentences,
        button=gettext("Deactivate"),
        kind="danger",
    )


def activate_page(request: HttpRequest, pk: int) -> HttpResponse:
    member = _changed_member(request, pk)
    if is_confirmed(request):
        is_done = Membership.objects.filter(pk=pk, is_active=False).update(is_active=True)
        messages.success(
            request,
            gettext("{person} is active again.").format(person=member.person)
            if is_done
            else gettext("This was done before."),
        )
        return HttpResponseRedirect(page_of_student(member))
    count = member.api_keys.valid(now=timezone.now()).count()
    sentences = [
        ngettext(
            "{person} may ask again; {count} key is accepted at once.",
            "{person} may ask again; {count} keys are accepted at once.",
            count,
        ).format(person=member.person, count=count)
    ]
    return _ask(request, member, title=gettext("Activate student"), sentences=sentences, button=gettext("Activate"))


def _changed_member(request: HttpRequest, pk: int) -> Membership:
    rows = Membership.objects.for_staff(request.user).select_related("user", "course")
    member: Membership | None = rows.filter(pk=pk).first()
    if member is None or not may(request, Verb.CHANGE, "Membership", member.course_id):
        raise Http404
    enter(request, member.course)
    return member


def _ask(request: HttpRequest, member: Membership, **page: Any) -> HttpResponse:
    return confirm(request, opts=Membership._meta, back=page_of_student(member), **page)
