"""Django's cache and sessions on Redis, which may go away."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis as driver

from tests.live import WITHOUT_CELERY, Gateway, start_gateway
from tests.servers import PATIENCE, Redis


@pytest.fixture
def redis() -> Iterator[Redis]:
    with Redis() as server:
        yield server


@pytest.fixture
def gateway(redis: Redis, data_dir: Path) -> Iterator[Gateway]:
    with start_gateway(data_dir, REDIS_URL=redis.url(), **WITHOUT_CELERY) as gateway:
        yield gateway
        gateway.stop()


def sign_in(gateway: Gateway, client: httpx.Client) -> None:
    admin = json.loads((gateway.data_dir / "demo.json").read_text())["admin"]
    client.get("/admin/login/")
    form = {**admin, "csrfmiddlewaretoken": client.cookies["csrftoken"], "next": "/admin/"}
    assert client.post("/admin/login/", data=form).status_code == 302


def test_nobody_is_signed_out_when_redis_goes_away(gateway: Gateway, redis: Redis) -> None:
    with httpx.Client(base_url=gateway.base_url, timeout=PATIENCE) as client:
        sign_in(gateway, client)
        with_redis = client.get("/admin/").status_code
        with driver.Redis.from_url(redis.url()) as store:
            kept = store.keys("*session*")
        redis.kill()
        without_redis = client.get("/admin/").status_code
        with httpx.Client(base_url=gateway.base_url, timeout=PATIENCE) as another:
            sign_in(gateway, another)
        redis.start()
        with_an_empty_redis = client.get("/admin/").status_code

    assert (with_redis, without_redis, with_an_empty_redis) == (200, 200, 200)
    assert len(kept) == 1
