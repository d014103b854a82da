"""How deployments and credentials are doing, in words and badges for the pages of operators."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from apps.common.display import Level, Shown, clock, moment
from apps.common.health.states import Standing
from apps.common.translation import lazy as _
from apps.providers.models import Deployment

FORCED: dict[str, tuple[str, Level, str]] = {
    Deployment.Force.OPEN: (_("forced open"), "warning", _("No calls go there until you set it back to automatic.")),
    Deployment.Force.CLOSED: (_("forced closed"), "warning", _("Calls go there despite its failures.")),
    Deployment.Force.DRAIN: ("draining", "warning", _("Open answers end; no new calls go there.")),
}


@dataclass(frozen=True, slots=True)
class ShownCredential(Shown):
    may_be_put_back: bool = False  # an operator may use it again


def of_deployment(deployment: Any, *, now: datetime) -> Shown:
    """Needs the deployment's provider with its credentials and last checks, and the health of all of them."""
    if not (deployment.is_enabled and deployment.provider.is_enabled and deployment.model.is_enabled):
        return Shown(gettext("not enabled"), "", gettext("The deployment, its provider or its model is switched off."))
    if deployment.force:
        return Shown(*FORCED[deployment.force])
    health: Any = getattr(deployment, "health", None)
    standing = health.standing_at(now) if health is not None else Standing.WELL
    if standing == Standing.OPEN:
        return _open(health, now)
    if standing == Standing.PROBATION:
        return Shown(gettext("on probation"), "warning", gettext("A health check was good; the next answers decide."))
    if standing == Standing.COOLING:
        return Shown(
            gettext("cooling until {until}").format(until=clock(health.until)),
            "warning",
            gettext("The provider asked for a pause."),
        )
    return _of_its_checks(deployment.provider) or _of_its_credentials(deployment.provider, now)


def _open(health: Any, now: datetime) -> Shown:
    if health.until is not None and health.until > now:
        return Shown(
            gettext("open until {until}").format(until=clock(health.until)),
            "bad",
            gettext("It failed too often. Calls go elsewhere meanwhile."),
        )
    return Shown(
        gettext("open, to be tried"), "bad", gettext("Its pause is over: the next health check or call decides.")
    )


def _of_its_checks(provider: Any) -> Shown | None:
    """Calls still go there, but what every health check finds makes it no good news."""
    found = list(provider.probes.all())
    if not found or any(row.kind != "bad" for row in found):
        return None
    return Shown(found[0].words, "bad", found[0].sentence)


def _of_its_credentials(provider: Any, now: datetime) -> Shown:
    usable = [one for one in provider.credentials.all() if one.is_enabled and one.ciphertext]
    lost = [one for one in usable if of_credential(one, now=now).level != "good"]
    if not lost:
        return Shown(gettext("well"), "good")
    if len(lost) < len(usable):
        return Shown(
            gettext("well"),
            "good",
            gettext("{lost} of {usable} credentials cannot be used now.").format(lost=len(lost), usable=len(usable)),
        )
    return Shown(
        gettext("no credential"),
        "bad",
        gettext("None of the provider's credentials can be used now. See the provider's page."),
    )


def of_credential(credential: Any, *, now: datetime) -> ShownCredential:
    if not credential.is_enabled:
        return ShownCredential(gettext("not enabled"), "")
    if not credential.ciphertext:
        return ShownCredential(gettext("no secret yet"), "warning")
    health: Any = getattr(credential, "health", None)
    standing = health.standing_at(now) if health is not None else Standing.WELL
    if standing == Standing.OUT:
        return ShownCredential(
            gettext("out"),
            "bad",
            gettext("The provider refuses it. Enter another secret, or put it back once it works."),
            True,
        )
    if standing == Standing.COOLING:
        return ShownCredential(
            gettext("cooling until {until}").format(until=clock(health.until)),
            "warning",
            gettext("It has reached its rate limit."),
            True,
        )
    return ShownCredential(gettext("in use"), "good")


def last_error(health: Any) -> str:
    """The last failure in plain words, with its time; empty if there was none."""
    if health is None or not health.error:
        return ""
    return f"{health.error} ({moment(health.failed_at)})"


def with_detail(shown: Shown, sentence: str) -> SafeString:
    """A badge with a sentence below it, of which a list shows the first lines."""
    if not sentence:
        return shown.badge
    return format_html('{}<small class="stoa-sub stoa-lines" title="{}">{}</small>', shown.badge, sentence, sentence)
