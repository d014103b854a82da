"""What a person has chosen for the pages of the admin: the clock by which they show times."""

import zoneinfo
from collections.abc import Callable
from functools import wraps
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from apps.accounts.models import User
from apps.common.translation import lazy as _
from apps.common.zones import zone
from apps.quotas.models import Institution

View = Callable[..., Any]


def by_the_readers_clock(view: View) -> View:
    """A page shows times by the clock of whoever reads it. Pages of a course then change to that of the course."""

    @wraps(view)
    def page(request: HttpRequest, *args: Any, **options: Any) -> Any:
        if isinstance(request.user, User) and not is_of_a_course(request):
            timezone.activate(zone(request.user.timezone or institutions_clock()))
        return view(request, *args, **options)

    return page


def is_of_a_course(request: HttpRequest) -> bool:
    """True if the address names the course, whose clock the page then shows."""
    return request.resolver_match is not None and "slug" in request.resolver_match.kwargs


def institutions_clock() -> str:
    return Institution.objects.values_list("timezone", flat=True).first() or timezone.get_default_timezone_name()


class PreferencesForm(forms.Form):
    timezone = forms.ChoiceField(
        label=_("Time zone"),
        required=False,
        help_text=_("For pages about several courses. The pages of a course keep the course’s clock."),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        names = sorted(zoneinfo.available_timezones())
        own: Any = self.fields["timezone"]
        own.choices = [
            ("", gettext("As the institution ({institutions_clock})").format(institutions_clock=institutions_clock())),
            *((name, name) for name in names),
        ]


def preferences_page(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    form = PreferencesForm(request.POST or None, initial={"timezone": user.timezone})
    if request.method == "POST" and form.is_valid():
        user.set_timezone(form.cleaned_data["timezone"])
        messages.success(request, gettext("Your preferences are saved."))
        return HttpResponseRedirect(reverse("admin:preferences"))
    context = {**admin.site.each_context(request), "title": gettext("Preferences"), "form": form}
    return TemplateResponse(request, "admin/preferences.html", context)
