"""Finds metrics and labels that dashboards and alerts ask for and nobody has, and runbooks that are missing."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from gateway_project.env import BASE_DIR
from gateway_project.monitoring.dashboards import DASHBOARDS
from gateway_project.monitoring.grafana import FOLDER, as_json
from gateway_project.reference.metrics import KnownMetric, known_metrics

RULES = BASE_DIR / "deploy" / "prometheus" / "alerts.yaml"
RUNBOOKS = BASE_DIR / "docs" / "runbooks"
_NAME = re.compile(r"\bstoa[_:][a-z0-9_:]*")
_SELECTOR = re.compile(r"\b(stoa_[a-z0-9_]*)\{([^}]*)\}")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_SUFFIXES = ("_bucket", "_sum", "_count")


def mistakes() -> list[str]:
    """What is wrong, in sentences. Empty if all is well."""
    metrics = {metric.name: metric for metric in known_metrics()}
    rules = all_rules()
    recorded = {rule["record"] for rule in rules if "record" in rule}
    return [
        *(
            f"{where}: {wrong}"
            for where, expression in _expressions(rules)
            for wrong in unknown_in(expression, metrics, recorded)
        ),
        *_without_runbook(rules),
        *_out_of_date(),
    ]


def all_rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def unknown_in(expression: str, metrics: Mapping[str, KnownMetric], recorded: set[str]) -> Iterator[str]:
    """What an expression asks for that nobody has."""
    for name in sorted(set(_NAME.findall(expression))):
        if name not in recorded and _family(name, metrics) is None:
            yield f"there is no metric {name}"
    for name, selector in _SELECTOR.findall(expression):
        family = _family(name, metrics)
        labels = {*family.labels, "le"} if family is not None else set(_LABEL.findall(selector))
        yield from (f"{name} has no label {label}" for label in _LABEL.findall(selector) if label not in labels)


def _family(name: str, metrics: Mapping[str, KnownMetric]) -> KnownMetric | None:
    for suffix in _SUFFIXES:
        base = metrics.get(name.removesuffix(suffix))
        if name.endswith(suffix) and base is not None and base.kind == "histogram":
            return base
    found = metrics.get(name)
    return None if found is not None and found.kind == "histogram" else found


def _expressions(rules: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    yield from ((f"alerts.yaml, {rule.get('alert') or rule['record']}", rule["expr"]) for rule in rules)
    yield from ((one.file, expression) for one in DASHBOARDS for expression in one.expressions())


def _without_runbook(rules: list[dict[str, Any]]) -> Iterator[str]:
    alerts = [rule for rule in rules if "alert" in rule]
    named = {rule["alert"]: BASE_DIR / rule.get("annotations", {}).get("runbook", "nowhere") for rule in alerts}
    yield from (f"{alert} has no runbook at {path}" for alert, path in named.items() if not path.is_file())
    unused: set[Path] = set(RUNBOOKS.glob("*.md")) - set(named.values())
    yield from (f"No alert names the runbook {path.name}" for path in sorted(unused))


def _out_of_date() -> Iterator[str]:
    for dashboard in DASHBOARDS:
        path = FOLDER / dashboard.file
        if not path.exists() or path.read_text() != as_json(dashboard):
            yield f"deploy/grafana/{dashboard.file} is not what its description says. Run: make docs"
