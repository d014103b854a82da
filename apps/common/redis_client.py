"""Redis for the event loop. It may be down: every command then fails soon, with one of the errors `AWAY`."""

from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

MAX_CONNECTIONS = 8

# uvloop raises RuntimeError if a connection is reset between the client's check and its write.
AWAY = (RedisError, OSError, RuntimeError)
_BROKEN: Any = (RedisConnectionError, OSError, RuntimeError)


def open_client(url: str, *, patience: float, again: int = 0) -> Redis:
    """`patience`: seconds to get a connection from the pool, to connect, and to get an answer, each.

    `again`: how often to resend a command whose connection was broken, as all are after a restart of Redis.
    """
    pool: Any = BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=patience,
        socket_timeout=patience,
        socket_connect_timeout=patience,
        retry=Retry(NoBackoff(), again, supported_errors=_BROKEN),
        # This protocol connects in one round trip, the newer one in three, and requests have a small time budget.
        protocol=2,
        driver_info=None,
    )
    return Redis.from_pool(pool)


async def close_client(client: Redis) -> None:
    await client.aclose()
    await client.connection_pool.aclose()
