"""The addresses of setting a provider up."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext

from apps.accounts.sign_in.step_up import after_step_up
from apps.common.admin import Pages
from apps.providers.admin.setup import connecting, courses, models, questions
from apps.providers.admin.setup.forms import AddressForm
from apps.providers.admin.setup.page import setup_page, to_step
from apps.providers.admin.setup.steps import next_step
from apps.providers.models import Provider
from apps.providers.presets import PRESETS, free_name, preset

STEPS = {
    "address": connecting.address,
    "key": connecting.key,
    "test": connecting.test,
    "models": models.step,
    "courses": courses.step,
    "ask": questions.step,
}


class ProviderSetup(Pages):
    """Adds the pages, and sends there whoever adds a provider."""

    def get_urls(self) -> list[URLPattern]:
        views: dict[str, Any] = {
            "setup/": ("providers_provider_kinds", self.kinds_view),
            "setup/<slug:kind>/": ("providers_provider_begin", self.begin_view),
            "<int:pk>/setup/": ("providers_provider_resume", self.resume_view),
            "<int:pk>/setup/<slug:step>/": ("providers_provider_setup", self.step_view),
        }
        return [
            *(path(route, self.admin_site.admin_view(view), name=name) for route, (name, view) in views.items()),
            *super().get_urls(),
        ]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> Any:
        """The form with all fields is for those who ask for it."""
        if request.method == "GET" and not {"all", "_popup"} & request.GET.keys() and self.has_add_permission(request):
            return HttpResponseRedirect(reverse("admin:providers_provider_kinds"))
        return super().add_view(request, form_url, extra_context)

    def kinds_view(self, request: HttpRequest) -> HttpResponse:
        self._admit(request)
        unfinished = [
            (provider, step)
            for provider in Provider.objects.filter(deployments=None)[:5]
            if (step := next_step(provider)) is not None
        ]
        return setup_page(request, "kinds", title=gettext("Add a provider"), presets=PRESETS, unfinished=unfinished)

    @after_step_up
    def begin_view(self, request: HttpRequest, kind: str) -> HttpResponse:
        """The address of a new provider. It exists as soon as that is saved."""
        self._admit(request)
        if (chosen := preset(kind)) is None:
            raise Http404
        taken = list(Provider.objects.values_list("name", flat=True))
        initial = {
            "name": free_name("" if chosen.slug == "other" else chosen.slug, taken),
            "base_url": chosen.base_url,
            "allow_private_network": chosen.allow_private,
            "hosting": chosen.hosting,
        }
        provider = Provider(**chosen.values)
        form = AddressForm(request.POST or None, instance=provider, initial=initial, preset=chosen)
        if request.method == "POST" and form.is_valid():
            provider = form.save()
            self.message_user(
                request,
                gettext("{name} is added. Nothing goes there yet.").format(name=provider.name),
                messages.SUCCESS,
            )
            return to_step(provider, "models" if provider.adapter == Provider.Adapter.ECHO else "key")
        return setup_page(
            request,
            "address",
            title=gettext("Add a provider: {title}").format(title=chosen.title),
            form=form,
            preset=chosen,
        )

    def resume_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """To the first step that is missing."""
        self._admit(request)
        provider = get_object_or_404(Provider, pk=pk)
        step = next_step(provider)
        return to_step(provider, step.slug if step is not None else "ask")

    @after_step_up
    def step_view(self, request: HttpRequest, pk: int, step: str) -> HttpResponse:
        self._admit(request)
        provider = get_object_or_404(Provider, pk=pk)
        if step not in STEPS or (provider.adapter == Provider.Adapter.ECHO and step in ("key", "test")):
            raise Http404
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        return STEPS[step](request, provider)

    def _admit(self, request: HttpRequest) -> None:
        if not self.has_change_permission(request):
            raise PermissionDenied
