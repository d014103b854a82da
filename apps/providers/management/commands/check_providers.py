"""`manage.py check_providers`: ask every provider, with every credential, whether it works."""

import asyncio
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.providers.models import Provider
from apps.providers.probes.asking import Probe, Subject, ask_all
from apps.providers.probes.subjects import probed, subjects_of

HEAD = ("PROVIDER", "CREDENTIAL", "RESULT", "LATENCY", "MODELS", "WHAT IT MEANS")


class Command(BaseCommand):
    help = "Ask providers for their models, with each credential. Exit code 1 if anything is wrong with one of them."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="*", help="Providers to ask. Without names: all enabled ones with a probe.")

    def handle(self, *args: Any, **options: Any) -> None:
        subjects = subjects_of(_chosen(options["name"]))
        if not subjects:
            self.stdout.write("There is no provider to ask: none is enabled, or none has a health check.")
            return
        probes = asyncio.run(ask_all(subjects))
        for line in _table([HEAD, *map(_row, subjects, probes)]):
            self.stdout.write(line)
        wrong = sum(not probe.is_well for probe in probes)
        if wrong:
            raise CommandError(f"{wrong} of {len(probes)} checks found something wrong.")


def _chosen(names: Sequence[str]) -> Any:
    """The providers of these names, whatever their settings; without a name, those with health checks."""
    if not names:
        return probed()
    unknown = set(names) - set(Provider.objects.values_list("name", flat=True))
    if unknown:
        raise CommandError(f"There is no provider named {', '.join(sorted(unknown))}.")
    return Provider.objects.filter(name__in=names).exclude(adapter=Provider.Adapter.ECHO)


def _row(subject: Subject, probe: Probe) -> tuple[str, ...]:
    return (
        subject.provider,
        subject.label or "–",
        "well" if probe.is_well else probe.finding.trouble,
        "–" if probe.latency_ms is None else f"{probe.latency_ms} ms",
        "–" if probe.finding.models is None else str(len(probe.finding.models)),
        probe.finding.sentence,
    )


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD) - 1)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)).rstrip() for row in rows
    ]
