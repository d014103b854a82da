"""Revoking and replacing a key, each after a page that says what stops for whom."""

from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext, ngettext

from apps.accounts import new_keys
from apps.accounts.admin import new_keys as new_keys_page
from apps.accounts.admin.confirming import confirm, is_confirmed, page_of_student
from apps.accounts.course_pages import enter
from apps.accounts.models import ApiKey, Membership
from apps.accounts.permissions import Verb
from apps.accounts.scoping import may
from apps.common.translation import lazy as _

GONE = _("This key was revoked before; nothing was changed.")


def urls() -> list[URLPattern]:
    """Addresses to add to those of API keys."""
    wrap = admin.site.admin_view
    return [
        path("<int:pk>/revoke/", wrap(revoke_page), name="accounts_apikey_revoke"),
        path("<int:pk>/replace/", wrap(replace_page), name="accounts_apikey_replace"),
    ]


def revoke_page(request: HttpRequest, pk: int) -> HttpResponse:
    key = _changed_key(request, pk)
    back, now = page_of_student(key.membership), timezone.now()
    if is_confirmed(request):
        is_done = bool(ApiKey.objects.filter(pk=key.pk).revoke(now=now))
        stopped = gettext("{shown} of {person} is refused within two seconds.").format(
            shown=key.shown, person=key.membership.person
        )
        messages.success(request, stopped) if is_done else messages.warning(request, GONE)
        return HttpResponseRedirect(back)
    sentences = [_stops(key, now=now), _what_is_left(key, now=now)]
    return _asked(request, key, gettext("Revoke key"), sentences, gettext("Revoke key"), kind="danger")


def replace_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Another key with the same name, expiry and scopes, shown once; the old one is revoked with it."""
    key = _changed_key(request, pk)
    if is_confirmed(request):
        with transaction.atomic():
            replaced = key.replace(now=timezone.now())
            if replaced is not None:
                return new_keys_page.show(request, [new_keys.of_row(*replaced)])
        messages.warning(request, GONE)
        return HttpResponseRedirect(page_of_student(key.membership))
    sentences = [
        _stops(key, now=timezone.now()),
        gettext("{person} gets a new key with the same settings. The next page shows it, once.").format(
            person=key.membership.person
        ),
    ]
    return _asked(request, key, gettext("Replace key"), sentences, gettext("Replace key"))


def _changed_key(request: HttpRequest, pk: int) -> ApiKey:
    """A key of which this person may revoke others; that of another course does not exist."""
    rows = ApiKey.objects.for_staff(request.user).select_related("membership__user", "membership__course")
    key: ApiKey | None = rows.filter(pk=pk).first()
    if key is None or not may(request, Verb.CHANGE, "ApiKey", key.membership.course_id):
        raise Http404
    enter(request, key.membership.course)
    return key


def _asked(
    request: HttpRequest, key: ApiKey, title: str, sentences: list[str], button: str, **more: Any
) -> HttpResponse:
    back = page_of_student(key.membership)
    if key.revoked_at is not None:
        return confirm(request, opts=ApiKey._meta, title=title, sentences=[GONE], button="", back=back)
    return confirm(request, opts=ApiKey._meta, title=title, sentences=sentences, button=button, back=back, **more)


def _stops(key: ApiKey, *, now: datetime) -> str:
    used = (
        gettext("it was last used {last_used_at} ago").format(last_used_at=timesince(key.last_used_at, now))
        if key.last_used_at
        else gettext("it was never used")
    )
    return gettext("{shown} of {person} stops within two seconds, for good; {used}.").format(
        shown=key.shown, person=key.membership.person, used=used
    )


def _what_is_left(key: ApiKey, *, now: datetime) -> str:
    others = valid_keys(key.membership, now=now) - {key.pk}
    if not others:
        return gettext("{person} has no other valid key, and cannot ask anything until you issue one.").format(
            person=key.membership.person
        )
    return ngettext(
        "{person} has {others} other valid key.", "{person} has {others} other valid keys.", len(others)
    ).format(person=key.membership.person, others=len(others))


def valid_keys(member: Membership, *, now: datetime) -> set[int]:
    return set(member.api_keys.valid(now=now).values_list("pk", flat=True))
