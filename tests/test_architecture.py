"""Imports point down, as the contracts in pyproject.toml say, and few look at the clock."""

import ast
import subprocess
import sys
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest
from importlinter.api import read_configuration

from gateway_project.env import BASE_DIR
from gateway_project.reference.sources import parsed

CONFIGURATION = str(BASE_DIR / "pyproject.toml")
CONTRACTS = [contract["name"] for contract in read_configuration(CONFIGURATION)["contracts_options"]]


def test_there_are_contracts() -> None:
    assert {
        "Imports point down",
        "Inside quotas, imports point down to the tables",
        "Inside rules, imports point down to the engine",
    } <= set(CONTRACTS)


def test_the_contracts_are_kept() -> None:
    """In a process of its own, for it turns loggers off."""
    command = Path(sys.executable).with_name("lint-imports")
    linted = subprocess.run(
        [command, "--config", CONFIGURATION, "--no-cache"], cwd=BASE_DIR, capture_output=True, text=True, check=False
    )

    assert linted.returncode == 0, linted.stdout


def circle_of(graph: grimp.ImportGraph) -> list[str]:
    """Modules of which each imports the next, for running or for annotations, the last being the first; or none."""
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_import_each_other() -> None:
    assert circle_of(grimp.build_graph("apps", "gateway_project", cache_dir=None)) == []


def test_a_circle_of_annotations_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "rounds"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "one.py").write_text("from rounds import two\n")
    (package / "two.py").write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from rounds import one\n")
    monkeypatch.syspath_prepend(tmp_path)

    assert set(circle_of(grimp.build_graph("rounds", cache_dir=None))) == {"rounds.one", "rounds.two"}


# Who may ask what time it is: whoever begins something. Everything else is told `now`, so that it can be asked about
# any moment. `time.monotonic` measures how long something takes, and is free.
MAY_READ_THE_CLOCK = {
    "apps/accounts/admin/handing_out.py": "pages and actions of staff",
    "apps/accounts/admin/key_changes.py": "pages and actions of staff",
    "apps/accounts/admin/leaving.py": "pages and actions of staff",
    "apps/common/display.py": "how long ago something was, on a page",
    "apps/conversations/admin/enforcing.py": "pages and actions of staff",
    "apps/conversations/replay.py": "replays begin when rules change",
    "apps/quotas/admin/grants.py": "pages and actions of staff",
    "apps/rules/admin/lists.py": "pages and actions of staff",
    "apps/rules/admin/trying.py": "pages and actions of staff",
    "gateway_project/site/allowance.py": "pages and actions of staff",
    "gateway_project/site/closing.py": "pages and actions of staff",
    "gateway_project/site/providers.py": "pages and actions of staff",
    "gateway_project/site/student.py": "pages and actions of staff",
    "gateway_project/site/students.py": "pages and actions of staff",
    "gateway_project/templatetags/consequences.py": "pages and actions of staff",
    "apps/accounts/admin/api_keys.py": "pages and actions of staff",
    "apps/accounts/admin/campus.py": "pages and actions of staff",
    "apps/accounts/admin/issuers.py": "pages and actions of staff",
    "apps/accounts/admin/jobs.py": "pages and actions of staff",
    "apps/accounts/admin/members.py": "pages and actions of staff",
    "apps/accounts/admin/token_families.py": "pages and actions of staff",
    "apps/accounts/admin/users.py": "pages and actions of staff",
    "apps/accounts/audit/recording.py": "entries are stamped when they are written, whoever writes them",
    "apps/accounts/audit/watching.py": "a background loop",
    "apps/accounts/jobs.py": "pages of staff",
    "apps/accounts/staff_bearer.py": "requests",
    "apps/accounts/admin/staff_keys.py": "pages and actions of staff",
    "apps/accounts/sign_in/campus/adapter.py": "signing in",
    "apps/accounts/admin/rosters.py": "pages of staff",
    "apps/accounts/management/commands/forget_audit.py": "a command",
    "apps/accounts/sign_in/adapter.py": "requests",
    "apps/accounts/sign_in/events.py": "requests",
    "apps/accounts/sign_in/middleware.py": "requests",
    "apps/accounts/sign_in/step_up.py": "requests",
    "apps/accounts/management/commands/import_roster.py": "a command",
    "apps/accounts/management/commands/issue_key.py": "a command",
    "apps/accounts/management/commands/rotate_signing_keys.py": "a command",
    "apps/accounts/management/commands/sign_out.py": "a command",
    "apps/accounts/tasks.py": "a task",
    "apps/chat/accounting/records.py": "how long a refused call took",
    "apps/chat/relay/attempts.py": "the end of an attempt, long after its request",
    "apps/chat/upkeep.py": "background loops",
    "apps/chat/routers.py": "requests",
    "apps/portal/routers.py": "requests",
    "apps/portal/pages/access.py": "pages of students",
    "apps/portal/pages/entrance.py": "pages of students",
    "apps/chat/accounting/settlements.py": "the end of an answer, long after its request",
    "apps/common/admin.py": "pages of staff",
    "apps/common/health/sharing.py": "a background loop",
    "apps/common/jobs.py": "the beginning and the end of a job, long after it was asked for",
    "apps/common/tasks.py": "a task",
    "apps/common/ids.py": "ids are in the order in which they are made",
    "apps/conversations/admin/calls.py": "pages of staff",
    "apps/conversations/admin/conversations.py": "pages of staff",
    "apps/conversations/admin/appeals.py": "pages of staff",
    "apps/conversations/admin/decisions.py": "pages of staff",
    "apps/conversations/tasks.py": "tasks",
    "gateway_project/management/commands/make_demo_data.py": "a command",
    "gateway_project/site/home.py": "pages of staff",
    "gateway_project/site/today.py": "pages of staff",
    "apps/conversations/spool/draining.py": "how old a record is that waits",
    "apps/conversations/admin/rules.py": "pages of staff",
    "apps/conversations/spool/writer.py": "records are stamped when they are appended",
    "apps/providers/adapters/openai.py": "how far away a date is that a provider names",
    "apps/providers/adapters/echo.py": "a provider of our own stamps its answers",
    "apps/providers/admin/checks.py": "pages of staff",
    "apps/providers/admin/deployments.py": "pages of staff",
    "apps/operations/tasks.py": "a task",
    "apps/operations/admin/deliveries.py": "pages of staff",
    "apps/operations/admin/channels.py": "pages of staff",
    "apps/providers/tasks.py": "a task",
    "apps/providers/models/providers.py": "a bulk change stamps rows as saving them would",
    "apps/quotas/admin/ledger.py": "pages of staff",
    "apps/quotas/admin/decisions.py": "pages and actions of staff",
    "apps/quotas/admin/bulk.py": "pages of staff",
    "apps/quotas/policy_snapshot.py": "what has been over for long is left out of the snapshot",
    "apps/quotas/admin/requests.py": "pages of staff",
    "apps/quotas/admin/answering.py": "pages of staff",
    "apps/quotas/admin/queue.py": "pages of staff",
    "apps/rules/admin/pages.py": "pages of staff",
    "apps/services/admin/glance.py": "pages of staff",
    "apps/services/tasks.py": "a task",
    "apps/rules/models/querysets.py": "a bulk change stamps rows as saving them would",
    "apps/rules/models/versions.py": "versions are stamped when they are made, whoever makes them",
    "apps/rules/admin/workbench.py": "pages of staff",
    "apps/services/models/versions.py": "versions are stamped when they are made, whoever makes them",
    "apps/services/attempts.py": "the end of an attempt, long after its request",
    "apps/services/relaying.py": "the end of an answer, long after its request",
    "gateway_project/site/deployments.py": "pages of staff",
    "gateway_project/observability/showing.py": "a background loop",
    "apps/chat/relay/metrics.py": "the beginning of an answer, long after its request",
    "gateway_project/health/checks/stores.py": "health checks",
    "gateway_project/health/checks/upstreams.py": "health checks",
    "gateway_project/health/checks/work.py": "health checks",
    "gateway_project/health/checkup.py": "health checks",
    "gateway_project/health/process.py": "health checks",
    "gateway_project/site/courses.py": "pages of staff",
    "gateway_project/site/weeks.py": "pages of staff",
    "gateway_project/apply/__init__.py": "applying a file",
    "gateway_project/edge/handler.py": "requests",
    "gateway_project/edge/services.py": "requests",
    "gateway_project/apis/tokens.py": "requests",
}
CLOCKS = {"datetime.now", "datetime.utcnow", "date.today", "time.time", "time.time_ns", "timezone.now", "localdate"}


def clocks_read_by(path: Path) -> set[str]:
    """The clocks of this list that a module asks, or hands on to be asked."""
    read = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
            read.add(f"{owner}.{node.attr}")
        elif isinstance(node, ast.Name):
            read.add(node.id)
    return read & CLOCKS


def test_only_those_who_begin_something_read_the_clock() -> None:
    modules = [path for app in ("apps", "gateway_project") for path in (BASE_DIR / app).rglob("*.py")]
    ours = [path for path in modules if "migrations" not in path.parts]
    readers = {str(path.relative_to(BASE_DIR)) for path in ours if clocks_read_by(path)}

    assert readers == set(MAY_READ_THE_CLOCK)


# Django asks for the first. The others are known, and to be renamed: none may join them.
MAY_SHARE_A_NAME = {"Command"}


def classes_of(path: Path) -> list[str]:
    """The classes of a module. One inside of another is read with its owner's name, so that it cannot be mistaken."""
    return [node.name for node in parsed(path).body if isinstance(node, ast.ClassDef)]


def test_no_name_of_a_class_has_two_meanings() -> None:
    modules = [path for app in ("apps", "gateway_project") for path in (BASE_DIR / app).rglob("*.py")]
    names = Counter(name.lstrip("_") for path in modules if "migrations" not in path.parts for name in classes_of(path))

    assert {name for name, count in names.items() if count > 1} <= MAY_SHARE_A_NAME
