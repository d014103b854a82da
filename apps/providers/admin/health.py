"""How a provider is, for the list of providers: from its health checks, its keys, its deployments and its calls."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext

from apps.common.display import Level, Shown, moment
from apps.common.health.states import Standing
from apps.common.translation import lazy as _
from apps.providers.admin import standing
from apps.providers.admin.checks import said
from apps.providers.models import Provider


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsThere:
    """What became of calls at a provider. `last_answer` is when one last began that was answered."""

    answered: int = 0
    failed: int = 0
    last_answer: datetime | None = None


NO_CALLS = CallsThere()
OFF = Shown(_("off"), "", _("It is switched off, so no calls go there."))
ECHO = Shown(_("works"), "", _("It runs inside Stoa, so there is nothing to check."))
UNFINISHED = Shown(_("not finished"), "", _("It has no models yet. Open it to go on."))
UNKNOWN = Shown(
    _("not checked"), "", _("It has no health check, or has not been asked yet. Only calls show whether it works.")
)


def of_provider(provider: Any, *, hour: CallsThere, now: datetime) -> Shown:
    """Needs the last checks, the credentials and the deployments of the provider, with the health of each.

    Green takes a good health check, or an answered call, and nothing that speaks against it.
    """
    if not provider.is_enabled:
        return OFF
    found = sorted(_complaints(provider, hour, now), key=lambda shown: shown.level != "bad")
    if found:
        return found[0]
    if not provider.deployments.all():
        return UNFINISHED
    if provider.adapter == Provider.Adapter.ECHO:
        return ECHO
    checks = list(provider.probes.all())
    if checks or hour.answered:
        return Shown(gettext("works"), "good", " ".join(map(said, checks)))
    return UNKNOWN


def _complaints(provider: Any, hour: CallsThere, now: datetime) -> Iterator[Shown]:
    yield from _of_checks(list(provider.probes.all()))
    yield from _of_keys(provider, now)
    yield from _of_deployments(list(provider.deployments.all()), now)
    if hour.failed:
        said = gettext("{failed} of {failed2} attempts failed in the last hour.").format(
            failed=hour.failed, failed2=hour.failed + hour.answered
        )
        if not hour.answered:
            yield Shown(gettext("failing"), "bad", said)
        elif hour.failed * 5 >= hour.answered:
            yield Shown(gettext("unsteady"), "warning", said)


def _of_checks(found: list[Any]) -> Iterator[Shown]:
    troubled = [row for row in found if row.trouble]
    if not troubled:
        return
    is_usable = any(row.kind != "bad" for row in found)  # with another key
    first = next((row for row in troubled if row.kind == "bad"), troubled[0])
    yield Shown(first.words, "warning" if is_usable else "bad", _labelled(first))


def _labelled(row: Any) -> str:
    return f"{row.credential.label}: {row.sentence}" if row.credential is not None else str(row.sentence)


def _of_keys(provider: Any, now: datetime) -> Iterator[Shown]:
    keys = [one for one in provider.credentials.all() if one.is_enabled]
    lost = [one for one in keys if standing.of_credential(one, now=now).level == "bad"]
    if lost:
        level: Level = "bad" if len(lost) == len(keys) else "warning"
        yield Shown(
            gettext("key refused"),
            level,
            gettext("{label}: the provider refuses this key.").format(label=lost[0].label),
        )
    if keys and not any(one.ciphertext for one in keys):
        yield Shown(gettext("no key"), "warning", gettext("No key has been entered."))


def _of_deployments(deployments: list[Any], now: datetime) -> Iterator[Shown]:
    used = [one for one in deployments if one.is_enabled and not one.force]
    healths = [getattr(one, "health", None) for one in used]
    lost = [one for one in healths if one is not None and one.standing_at(now) == Standing.OPEN]
    if lost:
        said = gettext("{lost} of its {used} deployments get no calls, since they failed too often.").format(
            lost=len(lost), used=len(used)
        )
        yield Shown(gettext("down") if len(lost) == len(used) else gettext("partly down"), "bad", said)


def last_error(provider: Any) -> str:
    """The last failure that calls met, with its time; empty if there was none."""
    rows = [*provider.deployments.all(), *provider.credentials.all()]
    found = [row.health for row in rows if getattr(row, "health", None) is not None and row.health.error]
    last = max(found, key=lambda health: health.failed_at, default=None)
    return f"{last.error} ({moment(last.failed_at)})" if last is not None else ""
