"""How far a provider is set up, as its rows say: nothing else is kept, so that any step can be taken up later."""

from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext

from apps.common.translation import lazy as _
from apps.providers.models import CourseModel, Provider
from apps.providers.presets import preset_of

TITLES = {
    "address": "Address",
    "key": "Key",
    "test": "Test",
    "models": "Models",
    "courses": "Courses",
    "ask": _("Ask it"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupStep:
    """`missing` says what is still to be done, and is empty when nothing is."""

    slug: str
    missing: str
    address: str
    is_current: bool = False

    @property
    def title(self) -> str:
        return TITLES[self.slug]

    @property
    def is_done(self) -> bool:
        return not self.missing and self.slug != "ask"


def steps_of(provider: Provider, *, current: str = "") -> list[SetupStep]:
    missing = _missing(provider)
    return [
        SetupStep(
            slug=slug,
            missing=missing.get(slug, ""),
            address=reverse("admin:providers_provider_setup", args=[provider.pk, slug]),
            is_current=slug == current,
        )
        for slug in TITLES
        if not (provider.adapter == Provider.Adapter.ECHO and slug in ("address", "key", "test"))
    ]


def next_step(provider: Provider) -> SetupStep | None:
    """The first step with something missing; None if the provider is set up."""
    return next((step for step in steps_of(provider) if step.missing), None)


def _missing(provider: Any) -> dict[str, str]:
    """By step. Four queries at most."""
    found = list(provider.probes.all())
    works = any(not row.trouble for row in found)
    models = list(provider.deployments.values_list("model_id", flat=True))
    said = {}
    if not provider.base_url:
        said["address"] = gettext("The address is missing.")
    if not (works or provider.credentials.exclude(ciphertext="").exists()) and _kind(provider).needs_key:
        said["key"] = gettext("No key has been entered.")
    if not works:
        said["test"] = found[0].sentence if found else gettext("It has not been tested.")
    if not models:
        said["models"] = gettext("It has no models.")
    if not CourseModel.objects.filter(model__in=models).exists():
        said["courses"] = gettext("No course may use its models.")
    return said


def _kind(provider: Any) -> Any:
    return preset_of(adapter=provider.adapter, base_url=provider.base_url)
