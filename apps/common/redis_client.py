"""Redis for the event loop, where it may be away: every command ends soon, with one of the errors `AWAY`."""

from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

MAX_CONNECTIONS = 8

# uvloop says RuntimeError where a connection was reset between the client's look at it and its writing.
AWAY = (RedisError, OSError, RuntimeError)
_BROKEN: Any = (RedisConnectionError, OSError, RuntimeError)


def open_client(url: str, *, patience: float, again: int = 0) -> Redis:
    """`patience`: seconds for a connection from the pool, to connect, and for an answer; each of them.

    `again`: how often a command is sent again that found its connection broken, as all are after a restart of Redis.
    """
    pool: Any = BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=patience,
        socket_timeout=patience,
        socket_connect_timeout=patience,
        retry=Retry(NoBackoff(), again, supported_errors=_BROKEN),
        # Connecting takes one round trip where the newer protocol takes three; there is a budget to keep.
        protocol=2,
        driver_info=None,
    )
    return Redis.from_pool(pool)


async def close_client(client: Redis) -> None:
    await client.aclose()
    await client.connection_pool.aclose()
