"""Fixtures that every test may use.

A test that touches the database says so in one of two ways:

- `db` (or `@pytest.mark.django_db`): in a transaction that is rolled back, in a database that is empty otherwise. The
  usual one.
- `committed_db`: writes are committed and stay, so that other threads, connections and a running server see them. No
  flush follows: such a test makes its own course and looks only at what belongs to it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import global_settings, settings
from django.contrib import admin
from django.db import connection
from django.test import override_settings
from django.test.utils import setup_databases, teardown_databases
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from apps.accounts.models import Course, Membership
from gateway_project.demo import ensure_demo
from tests import factories, probes
from tests.live import (
    Gateway,
    copied_data_dir,
    database_in,
    empty_data_dir,
    models_on,
    own_data_dir,
    separate_gateway,
    start_gateway,
    use_database,
)
from tests.provider_stub import ProviderStub

# No deadlines and no complaints of slowness: the machine may be busy with other things.
# The suite tries the same examples in each run, so that it fails for a change and not by chance. `make battery` tries
# new ones, and many more.
hypothesis_settings.register_profile(
    "suite", max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.register_profile(
    "battery", parent=hypothesis_settings.get_profile("suite"), max_examples=2_000, derandomize=False
)
hypothesis_settings.load_profile("suite")
admin.autodiscover()  # some tests ask for its pages while they are collected


METRICS_TOKEN = "scraper-" + "x" * 32
# Those that start once for all who use them, whose tests therefore come one after the other.
_SHARED = ("two_processes", "two_with_redis", "configured")
# pytest-django refuses the database to tests that name neither its mark nor a fixture that depends on these.
_SERVERS = {"django_db_setup", "spare_server"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        marker = item.get_closest_marker("django_db")
        if marker is not None and marker.kwargs.get("transaction"):
            # A flush would pull the rows from under the running server, and set back the revisions it goes by.
            raise pytest.UsageError(f"{item.nodeid}: use the fixture committed_db instead of transaction=True.")
        if marker is not None or not _SERVERS.isdisjoint(_fixtures(item)):
            item.add_marker("database")
    items.sort(key=_turn)


def _fixtures(item: pytest.Item) -> list[str]:
    """Those that it uses, directly or by way of others."""
    names: list[str] = getattr(item, "fixturenames", [])
    return names


def _turn(item: pytest.Item) -> tuple[int, str]:
    """What takes long comes early, and what shares a server stays together.

    Processes that run out of tests take over the last ones of the others. So it is better that those are quick, and no
    module is cut in two, for each part would start the module's gateway, or the browser, for itself. Only tests in `db`
    come before.
    """
    names = _fixtures(item)
    if "db" in names or item.get_closest_marker("django_db") is not None:
        return 0, ""
    if "executable" in names:  # the browser, shared by a package
        return 1, ""
    for shared in _SHARED:
        if shared in names:
            return 2, shared
    if "before_first_run" in names or "spare_server" in names:
        return (4 if "data_dir" in names else 3), ""  # a gateway of each test's own, or one that a module shares
    return (5 if "database" in item.keywords else 6), ""


class LoopLag:
    """Prints at the end how late event loops were, over all processes that ran tests."""

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["lags"] = (probes.seen.late, probes.seen.held)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        probes.seen.add(*getattr(node, "workeroutput", {}).get("lags", ([], [])))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if probes.seen.late:
            terminalreporter.write_line(str(probes.seen))


_databases: dict[str, Any] = {}  # as soon as they are there: that of tests in `db`, and the one that servers open


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before its fixtures. Whatever is committed stays, so tests in `db` have a database of their own.

    A fixture that several tests share may work with another one for a while (`models_on`).
    """
    now = connection.settings_dict["NAME"]
    wanted = _databases.get("alone" if _turn(item)[0] == 0 else "shared")
    if now != wanted and now in _databases.values():
        use_database(wanted)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(LoopLag())


@pytest.fixture(scope="session")
def migrated(
    django_test_environment: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """The database, and a data directory with a copy of it that was made before any test wrote something."""
    with django_db_blocker.unblock():
        made = setup_databases(verbosity=0, interactive=False, serialized_aliases=set())
    with (
        empty_data_dir(tmp_path_factory.mktemp("empty")) as directory,
        copied_data_dir(directory, tmp_path_factory.mktemp("alone")) as alone,
    ):
        _databases.update(alone=database_in(alone), shared=connection.settings_dict["NAME"])
        yield directory
        use_database(_databases["shared"])
    with django_db_blocker.unblock():
        if connection.vendor == "postgresql":  # threads that tests used keep connections of their own
            others = "pid <> pg_backend_pid() AND datname = current_database()"
            connection.cursor().execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
        teardown_databases(made, verbosity=0)


@pytest.fixture(scope="session")
def django_db_setup(migrated: Path) -> None:
    """For whoever asks. pytest-django's own would make no database for tests that know only committed_db."""


@pytest.fixture
def committed_db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


# The standing cast, for tests in `db`. With `committed_db`, call the factories.


@pytest.fixture
def course(db: None) -> Course:
    return factories.make_course()


@pytest.fixture
def ada(course: Course) -> Membership:
    """A student with quota."""
    return factories.make_ada(course=course)


@pytest.fixture
def ben(course: Course) -> Membership:
    """A student whose week is used up."""
    return factories.make_ben(course=course)


@pytest.fixture
def mia(course: Course) -> Membership:
    """A student without a key."""
    return factories.make_mia(course=course)


@pytest.fixture
def tess(course: Course) -> Membership:
    """The instructor."""
    return factories.make_tess(course=course)


@pytest.fixture(scope="session")
def gateway(django_db_setup: None) -> Iterator[Gateway]:
    """A running Stoa on the tests' own database. It must end cleanly, whatever the tests did to it.

    It keeps idle connections to providers for two seconds only, so that one that is never closed is soon told apart,
    and its log has all that could be in one, so that no secret and no prompt is.
    """
    with start_gateway(settings.DATA_DIR, KEEPALIVE_EXPIRY="2", LOG_LEVEL="DEBUG") as gateway:
        yield gateway
        gateway.stop()


@pytest.fixture(scope="session")
def before_first_run(django_db_setup: None, migrated: Path) -> Path:
    """A data directory with an empty, migrated database, and the tests' own secrets."""
    return migrated


@pytest.fixture(scope="session")
def pristine(
    before_first_run: Path, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A data directory as a first run leaves it, with the demo alone.

    Without it each gateway would make a demo at its start, and take half a second for good hashes of its passwords.
    """
    with copied_data_dir(before_first_run, tmp_path_factory.mktemp("pristine")) as directory:
        hashers = override_settings(PASSWORD_HASHERS=global_settings.PASSWORD_HASHERS)  # those that gateways know
        with django_db_blocker.unblock(), models_on(directory), hashers:
            ensure_demo(data_dir=directory, base_url="http://127.0.0.1:8000")
        yield directory


@pytest.fixture(scope="session")
def two_processes(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway of two web processes with a database of its own (`models_on`). Tests may kill what it started."""
    parent = tmp_path_factory.mktemp("two")
    more = {"WEB_CONCURRENCY": "2", "METRICS_TOKEN": METRICS_TOKEN, "LOG_FORMAT": "json"}
    with separate_gateway(pristine, parent, **more) as gateway:
        yield gateway


@pytest.fixture
def data_dir(committed_db: None, pristine: Path, tmp_path: Path) -> Iterator[Path]:
    """A data directory of this test's own, with which the models work as long as the test runs."""
    with own_data_dir(pristine, tmp_path) as directory:
        yield directory


@pytest.fixture
def stub() -> Iterator[ProviderStub]:
    """A provider of this test's own."""
    with ProviderStub() as stub:
        yield stub
