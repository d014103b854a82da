"""What all pages of setting a provider up share."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from apps.providers.admin.setup.steps import steps_of
from apps.providers.models import Provider
from apps.providers.presets import preset_of


def setup_page(
    request: HttpRequest, step: str, *, title: str, provider: Provider | None = None, **context: Any
) -> HttpResponse:
    if provider is not None:
        steps = steps_of(provider, current=step)
        slugs = [one.slug for one in steps]
        after = steps[slugs.index(step) + 1 :][:1] if step in slugs else []
        kind = preset_of(adapter=provider.adapter, base_url=provider.base_url)
        context = {"provider": provider, "steps": steps, "next": after[0] if after else None, "preset": kind} | context
    shared = {**admin.site.each_context(request), "title": title, "opts": Provider._meta}
    return TemplateResponse(request, f"admin/providers/setup/{step}.html", {**shared, **context})


def to_step(provider: Provider, step: str, query: str = "") -> HttpResponse:
    address = reverse("admin:providers_provider_setup", args=[provider.pk, step])
    return HttpResponseRedirect(address + (f"?{query}" if query else ""))
