"""Where rows, cache and sessions live: SQLite and memory on one machine, PostgreSQL and Redis in a cluster."""

from pathlib import Path
from typing import Any

from gateway_project.env import Env

CONNECT_SECONDS = 2
POOL_WAIT_SECONDS = 1.0  # a request that finds every connection taken is better told so than kept
RECONNECT_SECONDS = 0.1
REDIS_SECONDS = 0.5


def database(env: Env, data_dir: Path) -> dict[str, Any]:
    """Django's settings of the one database."""
    url = env.database_url.get_secret_value()
    return _postgresql(url, env) if url else _sqlite(data_dir / "stoa.sqlite3", synchronous=env.sqlite_synchronous)


def _sqlite(path: Path, *, synchronous: str) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            "init_command": (
                f"PRAGMA journal_mode=WAL; PRAGMA synchronous={synchronous};"
                "PRAGMA cache_size=-20000; PRAGMA journal_size_limit=67108864;"
                # Bringing the log into the database is what the ledger's session does; 200 MB is the backstop.
                "PRAGMA wal_autocheckpoint=50000;"
            ),
        },
    }


def _postgresql(url: str, env: Env) -> dict[str, Any]:
    """`url` in any form that libpq reads, sockets and TLS options included. Connections come from a pool, which
    looks whether they still live before it lends them out; none is kept between two requests."""
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
                # Give up at once and let the next who needs one try again: the pool's own pauses between attempts
                # grow to half a minute, and a server that is back would stay unused so long.
                "reconnect_timeout": RECONNECT_SECONDS,
            },
        },
    }


def disconnect() -> None:
    """Close this thread's connection and the process's pool, which would hold the process up at its end."""
    from django.db import connection

    connection.close()
    close_pool = getattr(connection, "close_pool", None)
    if close_pool is not None:
        close_pool()


def cache_and_sessions(env: Env) -> tuple[dict[str, Any], str]:
    """Django's cache, and where sessions live: always in the database, with Redis in front if there is one, so that
    nobody is signed out when Redis goes away."""
    url = env.redis_url.get_secret_value()
    if not url:
        return {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}, _SESSIONS_IN_DATABASE
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    redis = {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": url,
        "KEY_PREFIX": "stoa",
        "OPTIONS": {
            "SOCKET_CONNECT_TIMEOUT": REDIS_SECONDS,
            "SOCKET_TIMEOUT": REDIS_SECONDS,
            # The driver would try ten times, with pauses, while somebody waits for a page.
            "CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 0)},
        },
    }
    return {"default": redis}, _SESSIONS_CACHED


_SESSIONS_IN_DATABASE = "django.contrib.sessions.backends.db"
_SESSIONS_CACHED = "django.contrib.sessions.backends.cached_db"
