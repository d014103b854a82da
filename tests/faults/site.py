"""Where chaos strikes: a gateway, over PostgreSQL with servers of its own that can be cut off."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.db import connection

from tests.faults.chaos import Part, Processes, Remote, Victim
from tests.faults.link import Link
from tests.live import Gateway, manage, start_gateway
from tests.servers import PostgreSQL, Redis

IS_POSTGRESQL = bool(os.environ.get("DATABASE_URL"))
PROCESSES = {"WEB_CONCURRENCY": "2", "KEEPALIVE_EXPIRY": "2", "SHUTDOWN_TIMEOUT_SECONDS": "3"}


@dataclass(frozen=True, slots=True)
class Site:
    """A gateway, and what can be struck of it."""

    gateway: Gateway
    victims: dict[Part, Victim]
    environment: dict[str, str]  # for commands, which reach the servers without a link


@contextmanager
def site(data_dir: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        enter, victims, direct, linked = stack.enter_context, dict[Part, Victim](), {}, {}
        if IS_POSTGRESQL:
            database, redis = enter(PostgreSQL()), enter(Redis())
            to_database, to_redis = enter(Link(("127.0.0.1", database.port))), enter(Link(("127.0.0.1", redis.port)))
            victims = {"database": Remote(database, to_database), "redis": Remote(redis, to_redis)}
            direct = {"DATABASE_URL": database.url()}
            linked = {
                "DATABASE_URL": f"postgresql://stoa@127.0.0.1:{to_database.port}/postgres",
                "REDIS_URL": f"redis://127.0.0.1:{to_redis.port}/0",
            }
            enter(models_at(database))
            migrated = manage("migrate", "--verbosity", "0", data_dir=data_dir, **direct)
            assert migrated.returncode == 0, migrated.stderr
        gateway = enter(start_gateway(data_dir, **PROCESSES, **linked))
        yield Site(gateway, {"web": Processes(gateway), **victims}, direct)


@contextmanager
def models_at(server: PostgreSQL) -> Iterator[None]:
    """This thread's models work with a server of our own, which they reach without a link."""
    ours = connection.settings_dict
    connection.close()
    usual = dict(ours)
    ours.update(NAME="postgres", USER="stoa", PASSWORD="", HOST="127.0.0.1", PORT=str(server.port))
    try:
        yield
    finally:
        connection.close()
        ours.update(usual)
