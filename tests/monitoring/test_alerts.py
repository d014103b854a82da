"""Alerts fire and clear, ask for what there is, and say what to do."""

import re
from pathlib import Path

import pytest
import yaml

from gateway_project.env import BASE_DIR
from gateway_project.monitoring.checking import RUNBOOKS, all_rules, mistakes, unknown_in
from gateway_project.reference.metrics import KnownMetric
from tests.monitoring.promtool import promtool

FOLDER = BASE_DIR / "deploy" / "prometheus"
TESTS = ("alerts.test.yaml", "budget.test.yaml")
NAME = re.compile(r'alertname="(\w+)"')
ALERTS = [rule["alert"] for rule in all_rules() if "alert" in rule]
METRICS = {
    "stoa_calls_total": KnownMetric("stoa_calls_total", "counter", ("ending",), ""),
    "stoa_added_seconds": KnownMetric("stoa_added_seconds", "histogram", (), ""),
}


def test_dashboards_and_alerts_ask_for_what_there_is() -> None:
    assert mistakes() == []


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ('rate(stoa_calls_total{ending="error"}[5m])', []),
        ("histogram_quantile(0.95, rate(stoa_added_seconds_bucket[5m]))", []),
        ("stoa:added > 0.1", []),
        ("rate(stoa_call_total[5m])", ["there is no metric stoa_call_total"]),
        ("stoa_added_seconds > 1", ["there is no metric stoa_added_seconds"]),
        ('stoa_calls_total{status="error"}', ["stoa_calls_total has no label status"]),
    ],
)
def test_a_wrong_name_is_found(expression: str, wrong: list[str]) -> None:
    assert list(unknown_in(expression, METRICS, {"stoa:added"})) == wrong


@pytest.mark.parametrize("name", [*TESTS, "silence.test.yaml"])
def test_each_alert_fires_for_its_trouble_and_clears_after_it(name: str) -> None:
    done = promtool("test", "rules", str(FOLDER / name))

    assert done.returncode == 0, done.stdout + done.stderr


def test_no_alert_is_without_a_test() -> None:
    cases = [case for name in TESTS for case in yaml.safe_load((FOLDER / name).read_text())["tests"]]
    seen = {
        NAME.findall(checks[0]["expr"])[0]: [bool(check["exp_samples"]) for check in checks]
        for checks in (case["promql_expr_test"] for case in cases)
    }

    assert seen == {alert: [True, False] for alert in ALERTS}


@pytest.mark.parametrize("path", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_a_runbook_says_what_a_tired_operator_needs(path: Path) -> None:
    text = path.read_text()

    wanted = ("**What it means.**", "**What students notice.**", "## Look at", "## Do")
    assert [part for part in wanted if part not in text] == []
    linked = re.findall(r"\]\(([\w-]+\.md)\)", text)
    assert [name for name in linked if not (RUNBOOKS / name).exists()] == []
