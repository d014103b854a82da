"""Metrics of the installation as a whole, taken from the health checks when somebody asks for metrics.

Whichever process answers sees the same database, disk and worker, so these are not added up over processes.
"""

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gateway_project.health.checkup import Checkup
from gateway_project.health.states import ComponentReport, Condition

COMPONENTS = "stoa_component"
COMPONENTS_MEANING = "1 for the condition in which a component is: healthy, degraded or down."
# By the name of a figure in a diagnosis: the metric and its meaning. What a check could not find out is left out.
FIGURES = {
    "holds_open": ("stoa_holds_open", "Calls that hold tokens."),
    "worker_beat": ("stoa_worker_beat_age_seconds", "Seconds since the worker was last seen at work."),
    "spool_lag": ("stoa_spool_lag_seconds", "Seconds that the oldest text has waited for the database."),
    "spool_records": ("stoa_spool_records", "Pieces of text that wait for the database."),
    "settlements_kept": ("stoa_settlements_kept", "Settlements that wait on disk for the database."),
    "disk_free": ("stoa_spool_disk_free_bytes", "Room on the disk of the spool."),
    "disk_total": ("stoa_spool_disk_total_bytes", "Size of the disk of the spool."),
    "dead_letters": ("stoa_dead_letters", "Texts that the database refused."),
    "check_failed": ("stoa_provider_check_failed", "1 if the last health check of a provider failed."),
    "clock_offset": ("stoa_clock_offset_seconds", "By how much this machine's clock differs from the database's."),
}

LABELLED = {"check_failed": "provider"}


class InstallationCollector(Collector):
    def __init__(self, checkup: Checkup) -> None:
        self._checkup = checkup

    def collect(self) -> Iterable[Metric]:
        reports = self._checkup.look()
        yield _conditions(reports)
        yield from _figures(reports)


def _conditions(reports: Sequence[ComponentReport]) -> Metric:
    family = GaugeMetricFamily(COMPONENTS, COMPONENTS_MEANING, labels=["component", "condition"])
    for report in reports:
        for condition in Condition:
            family.add_metric([report.name, condition.value], float(report.condition == condition))
    return family


def _figures(reports: Sequence[ComponentReport]) -> Iterator[Metric]:
    families: dict[str, GaugeMetricFamily] = {}
    for report in reports:
        for key, value in report.figures.items():
            name, _, label = key.partition(":")
            labels = [LABELLED[name]] if name in LABELLED else []
            family = families.setdefault(name, GaugeMetricFamily(*FIGURES[name], labels=labels))
            family.add_metric([label] if labels else [], value)
    yield from families.values()
