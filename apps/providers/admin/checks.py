"""Health checks on a provider's page: what the last ones found, and a button that makes one now."""

import asyncio
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from apps.common.admin import Pages
from apps.common.display import duration
from apps.providers.admin import standing
from apps.providers.admin.fields import listed_models
from apps.providers.admin.setup.steps import SetupStep, next_step
from apps.providers.models import Credential, CredentialHealth, LastProbe, Provider


class HealthChecks(Pages):
    """Adds the checks to the page of a provider, and their address."""

    change_form_outer_before_template = "admin/providers/provider/checks.html"

    def get_urls(self) -> list[URLPattern]:
        check: Any = self.admin_site.admin_view(self.check_view)
        put_back: Any = self.admin_site.admin_view(self.put_back_view)
        return [
            path("<int:pk>/check/", check, name="providers_provider_check"),
            path("credentials/<int:pk>/put-back/", put_back, name="providers_credential_put_back"),
            *super().get_urls(),
        ]

    def check_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """POST asks now, in a few seconds, and says what was found. GET is the card alone, for a page that waits."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        provider = get_object_or_404(Provider.objects.exclude(adapter=Provider.Adapter.ECHO), pk=pk)
        if request.method == "POST":
            for row in check(provider):
                self.message_user(request, said(row), messages.WARNING if row.trouble else messages.SUCCESS)
            return HttpResponseRedirect(reverse("admin:providers_provider_change", args=[pk]))
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        return TemplateResponse(request, self.change_form_outer_before_template, _checks_of(provider))

    def put_back_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_change_permission(request):
            raise PermissionDenied
        credential = get_object_or_404(Credential, pk=pk)
        if CredentialHealth.objects.put_back([pk], now=timezone.now()):
            said = gettext(
                "{label} is used again within two seconds. If it is still refused, it goes out again."
            ).format(label=credential.label)
            self.message_user(request, said, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:providers_provider_change", args=[credential.provider_id]))

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        provider = self.get_object(request, object_id)
        extra = _checks_of(provider) if provider is not None else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **extra})


def check(provider: Provider) -> list[LastProbe]:
    """Ask it now with each of its keys, in bounded time, and keep what was found."""
    # Imported here, since httpx takes megabytes that most web processes never need.
    from apps.providers.probes import asking, rounds, subjects

    asked = subjects.subjects_of(Provider.objects.filter(pk=provider.pk))
    return rounds.keep(asked, asyncio.run(asking.ask_all(asked)), now=timezone.now())


def _checks_of(provider: Any) -> dict[str, Any]:
    found = {row.credential_id: row for row in provider.probes.all()}
    now = timezone.now()
    lines = [
        {
            "credential": credential,
            "shown": standing.of_credential(credential, now=now),
            "last_error": standing.last_error(getattr(credential, "health", None)),
            "check": found.get(credential.pk),
        }
        for credential in provider.credentials.select_related("health")
    ]
    if None in found or not lines:  # asked without a key, since no credential is enabled
        lines.append({"check": found.get(None)})
    return {
        "provider": provider,
        "lines": lines,
        "is_checked": provider.is_enabled and provider.probe_path != "off",
        "is_waiting": provider.is_enabled and provider.probe_path != "off" and not found,
        "is_echo": provider.adapter == Provider.Adapter.ECHO,
        "missing": _unfinished(provider),
        "listed": listed_models(provider.probes.all()),
    }


def _unfinished(provider: Provider) -> SetupStep | None:
    """The next step of setting it up. What a check of a provider in use finds is no such thing."""
    step = next_step(provider)
    in_use = step is not None and step.slug == "test" and provider.deployments.exists()
    return None if in_use else step


def said(row: LastProbe) -> str:
    """A check in a line: which credential, what was found, and how fast."""
    label = f"{row.credential.label}: " if row.credential is not None else ""
    figures = [duration(row.latency_ms)] if row.latency_ms is not None else []
    if row.model_count is not None:
        figures.append(
            ngettext("{model_count} model found", "{model_count} models found", row.model_count).format(
                model_count=row.model_count
            )
        )
    return f"{label}{row.sentence}" + (f" ({', '.join(figures)})" if figures else "")
