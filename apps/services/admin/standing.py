"""How instances are doing, in words and badges for operators."""

from datetime import datetime
from typing import Any

from django.utils.translation import gettext

from apps.common.display import Level, Shown, clock, moment
from apps.common.health.states import Standing
from apps.services.models import Instance

_RANK: dict[Level, int] = {"": 0, "good": 1, "warning": 2, "bad": 3}


def of_instance(instance: Any, *, now: datetime) -> Shown:
    if instance.force == Instance.Force.DOWN:
        return Shown(gettext("forced down"), "warning", gettext("Gets no requests until you set it back to automatic."))
    if instance.is_draining:
        return Shown(gettext("draining"), "warning", gettext("Gets nothing new; what runs there ends."))
    if instance.force == Instance.Force.UP:
        return Shown(gettext("forced up"), "warning", gettext("Gets requests despite its failures."))
    health: Any = getattr(instance, "health", None)
    standing = health.standing_at(now) if health is not None else Standing.WELL
    if standing == Standing.OPEN:
        return _open(health, now)
    if standing == Standing.PROBATION:
        return Shown(
            gettext("on probation"), "warning", gettext("Health checks are good again; the next requests decide.")
        )
    if standing == Standing.COOLING:
        return Shown(
            gettext("cooling until {until}").format(until=clock(health.until)),
            "warning",
            gettext("It asked for a pause."),
        )
    return Shown(gettext("well"), "good")


def _open(health: Any, now: datetime) -> Shown:
    if health.until is not None and health.until > now:
        return Shown(
            gettext("open until {until}").format(until=clock(health.until)),
            "bad",
            gettext("It failed too often; others are asked."),
        )
    return Shown(
        gettext("open, to be tried"), "bad", gettext("Its pause is over: the next health check or request decides.")
    )


def of_service(service: Any, states: list[Shown]) -> Shown:
    """The worst of its instances, softened by those that are well."""
    if not service.is_enabled:
        return Shown(gettext("off"), "", gettext("Every request is answered 404."))
    if not states:
        return Shown(gettext("no instances"), "bad", gettext("Every request is answered 503."))
    worst = max(states, key=lambda state: _RANK[state.level])
    well = sum(state.level == "good" for state in states)
    if worst.level == "good":
        return Shown(gettext("well"), "good")
    if well:
        return Shown(gettext("{well} of {states} well").format(well=well, states=len(states)), "warning")
    return Shown(gettext("none is well"), worst.level)


def last_error(instance: Any) -> str:
    """The last failure in plain words, with its time; empty if there was none."""
    health: Any = getattr(instance, "health", None)
    if health is None or not health.error:
        return ""
    return f"{health.error} ({moment(health.failed_at)})"


def last_check(instance: Any) -> str:
    health: Any = getattr(instance, "health", None)
    if health is None or health.checked_at is None:
        return ""
    return f"{health.check_error or 'Good.'} ({moment(health.checked_at)})"
