"""The admin site."""

from collections.abc import Iterable
from typing import Any

from allauth.account.views import login
from django.core.exceptions import PermissionDenied
from django.core.paginator import InvalidPage
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import include, path, reverse
from django.utils.functional import SimpleLazyObject
from unfold.sites import UnfoldAdminSite

from apps.common.searching import mistake


class StoaAdminSite(UnfoldAdminSite):
    """Unfold's site without the inline styles of each page: they are in `static/stoa/theme.css`.

    People sign in and change their password by way of django-allauth, here as under /sign-in/.
    """

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Leaves out the pages of django-allauth: secrets, tokens and session keys are nobody's to read or edit."""
        models = model_or_iterable if isinstance(model_or_iterable, Iterable) else [model_or_iterable]
        ours = [model for model in models if not model.__module__.startswith("allauth.")]
        super().register(ours, admin_class, **options)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        from gateway_project.site.help import about
        from gateway_project.site.navigation import switcher

        context: dict[str, Any] = super().each_context(request)
        return {
            **context,
            "colors": {},
            "help_address": about(request.path),
            "switcher": SimpleLazyObject(lambda: switcher(request)),
        }

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Of one app alone: the menu is our own, and the list of all would ask every table for its rights."""
        return list(super().get_app_list(request, app_label)) if app_label else []

    def get_urls(self) -> Any:
        from gateway_project.site.course_urls import course_urls
        from gateway_project.site.help import help_page
        from gateway_project.site.readers import preferences_page

        return [
            path("c/<str:slug>/", include(course_urls())),
            path("help/", self.admin_view(help_page), name="help"),
            path("help/<slug:page>/", self.admin_view(help_page), name="help_page"),
            path("preferences/", self.admin_view(preferences_page), name="preferences"),
            *super().get_urls(),
        ]

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        from gateway_project.site.readers import by_the_readers_clock

        return super().admin_view(by_the_readers_clock(view), cacheable)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Staff of one course come straight to it."""
        from gateway_project.site.home import only_course

        if (course := only_course(request)) is not None:
            return HttpResponseRedirect(reverse("admin:course_today", args=[course.slug]))
        page: HttpResponse = super().index(request, extra_context)
        return page

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Unfold's search for pages, bounded; Unfold lets it fail at a page number that is none."""
        if mistake(request.GET.get("s", "")):
            return HttpResponse()
        try:
            found: HttpResponse = super().search(request, extra_context)
        except (InvalidPage, ValueError):
            raise Http404 from None
        return found

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        """Django's own form would let people who are signed in try the passwords of others, without any limit."""
        if request.user.is_authenticated and not self.has_permission(request):
            raise PermissionDenied
        answer: HttpResponseBase = login(request)
        return answer

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        return HttpResponseRedirect(reverse("account_change_password"))
