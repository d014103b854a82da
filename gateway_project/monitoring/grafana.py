"""Turns a description of a dashboard into the JSON that Grafana imports. Pure but for the place of the files."""

import json
import re
from dataclasses import dataclass
from typing import Any

from gateway_project.env import BASE_DIR

FOLDER = BASE_DIR / "deploy" / "grafana"
WIDTH, HEIGHT = 12, 8  # of a panel; Grafana's grid is 24 wide
_SOURCE = {"type": "prometheus", "uid": "${source}"}


@dataclass(frozen=True, slots=True)
class Query:
    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """A graph over time. `unit` is Grafana's name of one."""

    title: str
    unit: str
    queries: tuple[Query, ...]
    description: str = ""


@dataclass(frozen=True, slots=True)
class Dashboard:
    title: str
    panels: tuple[Panel, ...]

    @property
    def uid(self) -> str:
        return "stoa-" + re.sub(r"\W+", "-", self.title.lower())

    @property
    def file(self) -> str:
        return f"{self.uid}.json"

    def expressions(self) -> list[str]:
        return [query.expression for panel in self.panels for query in panel.queries]


def as_json(dashboard: Dashboard) -> str:
    return json.dumps(_described(dashboard), indent=1) + "\n"


def _described(dashboard: Dashboard) -> dict[str, Any]:
    return {
        "uid": dashboard.uid,
        "title": f"Stoa: {dashboard.title}",
        "tags": ["stoa"],
        "schemaVersion": 38,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [{"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}]
        },
        "links": [{"title": "Stoa", "type": "dashboards", "tags": ["stoa"], "asDropdown": False, "keepTime": True}],
        "panels": [_panel(number, panel) for number, panel in enumerate(dashboard.panels)],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "gridPos": {"x": WIDTH * (number % 2), "y": HEIGHT * (number // 2), "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [_target(letter, query) for letter, query in zip("ABCDEFGH", panel.queries, strict=False)],
    }


def _target(letter: str, query: Query) -> dict[str, Any]:
    return {"refId": letter, "datasource": _SOURCE, "expr": query.expression, "legendFormat": query.legend or "__auto"}
