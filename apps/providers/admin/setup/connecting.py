"""Steps up to the first answer of the server: its address, the key, and the test."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from apps.providers.admin import checks
from apps.providers.admin.setup.forms import AddressForm, KeyForm
from apps.providers.admin.setup.page import setup_page, to_step
from apps.providers.models import Credential, Provider
from apps.providers.presets import preset_of

LABEL = "main"


def address(request: HttpRequest, provider: Provider) -> HttpResponse:
    before = provider.base_url
    form = AddressForm(request.POST or None, instance=provider, preset=_kind(provider))
    if request.method == "POST" and form.is_valid():
        form.save()
        provider.probes.all().delete()  # what they found may no longer be true
        if provider.moved_from(before) and (forgotten := provider.forget_secrets()):
            said = gettext(
                "The address changed, so {forgotten} secrets and headers were forgotten. Enter the new server's."
            ).format(forgotten=forgotten)
            messages.warning(request, said)
        if provider.advice:
            messages.warning(request, provider.advice)
        return to_step(provider, "key" if provider.adapter != Provider.Adapter.ECHO else "models")
    return setup_page(
        request,
        "address",
        title=gettext("{before}: address").format(before=before and provider.name),
        provider=provider,
        form=form,
    )


def key(request: HttpRequest, provider: Provider) -> HttpResponse:
    """The key of the first credential. What is entered here is tested at once."""
    kind = _kind(provider)
    credential = provider.credentials.order_by("pk").first()
    is_stored = credential is not None and bool(credential.ciphertext)
    form = KeyForm(request.POST or None, preset=kind, is_stored=is_stored)
    if request.method == "POST" and form.is_valid():
        if secret := form.cleaned_data["secret"]:
            credential = credential or Credential.objects.create(provider=provider, label=LABEL)
            credential.set_secret(secret)
            provider.probes.all().delete()
        checks.check(provider)
        return to_step(provider, "test")
    return setup_page(
        request,
        "key",
        title=gettext("{name}: key").format(name=provider.name),
        provider=provider,
        form=form,
        is_stored=is_stored,
    )


def test(request: HttpRequest, provider: Provider) -> HttpResponse:
    if request.method == "POST":
        checks.check(provider)
        return to_step(provider, "test")
    found: list[Any] = list(provider.probes.select_related("credential"))
    return setup_page(
        request,
        "test",
        title=gettext("{name}: test").format(name=provider.name),
        provider=provider,
        found=found,
        is_well=any(not row.trouble for row in found),
    )


def _kind(provider: Provider) -> Any:
    return preset_of(adapter=provider.adapter, base_url=provider.base_url)
