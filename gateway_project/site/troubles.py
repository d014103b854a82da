"""What is wrong, in words, with since when and a link. Pure but for the addresses of pages."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext

from apps.common.health.states import Standing
from gateway_project.health.states import ComponentReport, Condition


@dataclass(frozen=True, slots=True)
class ProviderTrouble:
    """`page`: where to look, `calls` for the list of failed calls."""

    sentence: str
    since: datetime | None
    page: str

    @property
    def address(self) -> str:
        if self.page == "calls":
            return f"{reverse('admin:conversations_call_changelist')}?status__exact=failed"
        return reverse("admin:providers_provider_change", args=[self.page])


_PAGES = {
    "dead letters": "admin:conversations_deadletter_changelist",
    "services": "admin:services_service_changelist",
}


@dataclass(frozen=True, slots=True)
class ComponentTrouble:
    """A component that a health check found not to be well."""

    report: ComponentReport

    @property
    def sentence(self) -> str:
        return f"{self.report.name.capitalize()}: {self.report.sentence}"

    @property
    def since(self) -> datetime | None:
        return self.report.since

    @property
    def address(self) -> str:
        return reverse(_PAGES.get(self.report.name, "health"))


def component_troubles(reports: Iterable[ComponentReport]) -> list[ComponentTrouble]:
    """Those that are down first, then the ones that others depend on."""
    order = (Condition.DOWN, Condition.DEGRADED)
    found = [report for report in reports if report.condition in order]
    found.sort(key=lambda report: (order.index(report.condition), not report.is_essential))
    return [ComponentTrouble(report) for report in found]


def troubles(providers: Iterable[Any], *, now: datetime) -> list[ProviderTrouble]:
    """Of providers that are switched on, with their credentials, deployments and health checks."""
    found = [trouble for one in providers if one.is_enabled for trouble in _of_provider(one, now)]
    return sorted(found, key=lambda trouble: trouble.since or now)


def _of_provider(provider: Any, now: datetime) -> Iterator[ProviderTrouble]:
    page = str(provider.pk)
    out = False
    for credential in provider.credentials.all():
        health = getattr(credential, "health", None)
        if credential.is_enabled and health is not None and health.standing_at(now) == Standing.OUT:
            out = True
            said = gettext("{name} refuses our key “{label}”{health}.").format(
                name=provider.name, label=credential.label, health=_because(health)
            )
            yield ProviderTrouble(said, health.since, page)
    for deployment in provider.deployments.all():
        health = getattr(deployment, "health", None)
        if deployment.is_enabled and health is not None and health.standing_at(now) == Standing.OPEN:
            said = gettext("{name} fails to answer for {name2}{health}: calls go elsewhere.").format(
                name=provider.name, name2=deployment.model.name, health=_because(health)
            )
            yield ProviderTrouble(said, health.since, page)
    for probe in provider.probes.all():
        if probe.kind == "bad" and not out:
            yield ProviderTrouble(f"{provider.name}: {probe.sentence}", probe.at, page)


def _because(health: Any) -> str:
    return f" ({health.error or health.reason})" if health.error or health.reason else ""
