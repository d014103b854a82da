"""Settings of database, cache and sessions: SQLite and memory on one machine, PostgreSQL and Redis in a cluster."""

from pathlib import Path
from typing import Any

from gateway_project.env import Env

CONNECT_SECONDS = 2
POOL_WAIT_SECONDS = 1.0  # a request fails fast when all connections are taken
RECONNECT_SECONDS = 0.1
REDIS_SECONDS = 0.5


def database(env: Env, data_dir: Path) -> dict[str, Any]:
    """The default entry of Django's `DATABASES`."""
    url = env.database_url.get_secret_value()
    return _postgresql(url, env) if url else _sqlite(data_dir / "stoa.sqlite3", synchronous=env.sqlite_synchronous)


def _sqlite(path: Path, *, synchronous: str) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            # Once the driver remembers so many, it forgets the newest first, and prepares it again each time.
            "cached_statements": 512,
            "init_command": (
                f"PRAGMA journal_mode=WAL; PRAGMA synchronous={synchronous};"
                "PRAGMA cache_size=-20000; PRAGMA journal_size_limit=134217728;"
                # The ledger's session checkpoints the log; this limit of 200 MB is the backstop.
                "PRAGMA wal_autocheckpoint=50000;"
            ),
        },
    }


def _postgresql(url: str, env: Env) -> dict[str, Any]:
    """Accepts every `url` that libpq accepts, including sockets and TLS options.

    Connections come from a pool, which checks them before it lends them out. No request keeps one.
    """
    from psycopg.conninfo import conninfo_to_dict

    given = conninfo_to_dict(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": given.pop("dbname", "") or "stoa",
        "USER": given.pop("user", "") or "",
        "PASSWORD": given.pop("password", "") or "",
        "HOST": given.pop("host", "") or "",
        "PORT": given.pop("port", "") or "",
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "stoa",
            **given,
            "pool": {
                "min_size": 1,
                "max_size": env.database_pool_max_size,
                "max_lifetime": env.database_pool_max_lifetime,
                "timeout": POOL_WAIT_SECONDS,
                # Fail at once and let the next caller retry: the pool's own backoff grows to half a minute, and a
                # server that is back would stay unused for that long.
                "reconnect_timeout": RECONNECT_SECONDS,
            },
        },
    }


def disconnect() -> None:
    """Close this thread's connection and the process's pool, which would delay the exit of the process."""
    from django.db import connection

    connection.close()
    close_pool = getattr(connection, "close_pool", None)
    if close_pool is not None:
        close_pool()


def cache_and_sessions(env: Env) -> tuple[dict[str, Any], str]:
    """Django's `CACHES` and `SESSION_ENGINE`.

    The default cache is a table: the limits of sign-in attempts and the codes that were used must hold over all
    processes, and through any outage of Redis. Sessions live in the database as well. Redis, if configured, only caches
    them, so its outages sign nobody out.
    """
    caches = {"default": _IN_DATABASE}
    url = env.redis_url.get_secret_value()
    if not url:
        return caches, _SESSIONS_IN_DATABASE
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    caches["sessions"] = {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": url,
        "KEY_PREFIX": "stoa",
        "OPTIONS": {
            "SOCKET_CONNECT_TIMEOUT": REDIS_SECONDS,
            "SOCKET_TIMEOUT": REDIS_SECONDS,
            # The driver would retry ten times, with pauses, while somebody waits for a page.
            "CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 0)},
        },
    }
    return caches, _SESSIONS_CACHED


_IN_DATABASE: dict[str, Any] = {
    "BACKEND": "django.core.cache.backends.db.DatabaseCache",
    "LOCATION": "common_cacheentry",
    # Beyond it some live entries go, which would forgive failed attempts: more than an attack can make.
    "OPTIONS": {"MAX_ENTRIES": 100_000},
}
_SESSIONS_IN_DATABASE = "django.contrib.sessions.backends.db"
_SESSIONS_CACHED = "django.contrib.sessions.backends.cached_db"
