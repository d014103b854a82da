"""The pages of deployments with the traffic that they take, which the providers app does not know."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from apps.common.display import NOTHING, proportion, spread
from apps.common.translation import lazy as _
from apps.providers.admin.deployments import DeploymentAdmin
from apps.providers.models import Deployment
from gateway_project.site.traffic import Key, Spread, Traffic, of_last_hour


@admin.register(Deployment)
class WatchedDeploymentAdmin(DeploymentAdmin):
    list_display = ("upstream_model", "state", "place", "provider", "calls", "first_byte", "whole")

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Each row gets its traffic, and the longest time of the page, so that bars can be compared."""
        changelist = super().get_changelist_instance(request)
        found = of_last_hour(now=timezone.now())
        rows = list(changelist.result_list)
        for row in rows:
            row.traffic = found.get(_key(row))
        shown = [row.traffic for row in rows if row.traffic is not None]
        for row in rows:
            row.longest_first = max((one.first_byte.p95 for one in shown if one.first_byte), default=0)
            row.longest = max((one.total.p95 for one in shown if one.total), default=0)
        changelist.result_list = rows
        return changelist

    @admin.display(description=_("share, last hour"))
    def calls(self, deployment: Any) -> SafeString | str:
        traffic: Traffic | None = deployment.traffic
        return proportion(traffic.calls, traffic.of) if traffic is not None else NOTHING

    @admin.display(description=_("first byte"))
    def first_byte(self, deployment: Any) -> SafeString | str:
        return _spread(deployment.traffic and deployment.traffic.first_byte, deployment.longest_first)

    @admin.display(description=_("whole answer"))
    def whole(self, deployment: Any) -> SafeString | str:
        return _spread(deployment.traffic and deployment.traffic.total, deployment.longest)

    def card(self, deployment: Any, *, now: datetime) -> dict[str, Any]:
        traffic = of_last_hour(now=now).get(_key(deployment))
        return {**super().card(deployment, now=now), "traffic": traffic}


def _key(deployment: Any) -> Key:
    return deployment.provider.name, deployment.upstream_model


def _spread(times: Spread | None, longest: int) -> SafeString | str:
    return spread(p50=times.p50, p95=times.p95, longest=longest) if times is not None else NOTHING
