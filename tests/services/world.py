"""The smallest world in which somebody can call a service: a course, a key, and a service with instances."""

import contextlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from django.db import transaction

from apps.accounts.models import Course, Membership
from apps.services.models import Instance, Service
from tests import factories
from tests.chat.world import PATIENCE, wait_until
from tests.live import Gateway
from tests.services.instances import UsersInstance


@dataclass(frozen=True, slots=True)
class ServiceWorld:
    """One service and one student who may call it. No other world has them, but the instances are shared."""

    gateway: Gateway
    service: Service
    student: Membership
    key: str
    http: httpx.Client = field(default_factory=lambda: httpx.Client(verify=False, timeout=PATIENCE, trust_env=False))

    def __enter__(self) -> "ServiceWorld":
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    @property
    def course(self) -> Course:
        return self.student.course

    @property
    def prefix(self) -> str:
        return f"/svc/{self.service.prefix}"

    def url(self, path: str = "/") -> str:
        return self.gateway.base_url + self.prefix + path

    def request(self, method: str, path: str = "/", *, key: str | None = None, **options: Any) -> httpx.Response:
        """With the student's key, or another one, or none: ""."""
        given = self.key if key is None else key
        headers = httpx.Headers(options.pop("headers", None))
        if given:
            headers.setdefault("authorization", f"Bearer {given}")
        return self.http.request(method, self.url(path), headers=headers, **options)

    def get(self, path: str = "/", **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def echo(self, method: str = "GET", path: str = "/", **options: Any) -> dict[str, Any]:
        """What the instance received of such a request: method, target, headers, length, sha256, body."""
        headers = {"x-fail": "how=echo", **options.pop("headers", {})}
        received: dict[str, Any] = self.request(method, path, headers=headers, **options).raise_for_status().json()
        return received

    def change(self, **fields: Any) -> None:
        """Change the service. Wait for what you expect of it: it is seen within half a second, at most two."""
        for name, value in fields.items():
            setattr(self.service, name, value)
        self.service.save()

    def instances(self) -> list[Instance]:
        return list(self.service.instances.order_by("pk"))

    def wait_until_seen(self) -> None:
        """A service and its instances are committed at once: whoever finds the one finds the others."""
        wait_until(
            lambda: self.get("/health").status_code != 404, what="The gateway's notice of the service", every=0.1
        )


def create_service_world(gateway: Gateway, *instances: UsersInstance, **fields: Any) -> ServiceWorld:
    """Make the rows, at once. `fields` are the service's."""
    with transaction.atomic():
        service = factories.make_service(*(instance.url for instance in instances), **fields)
        student = factories.make_student()
        return ServiceWorld(gateway, service, student, factories.make_key(student))


@contextlib.contextmanager
def make_service_world(gateway: Gateway, *instances: UsersInstance, **fields: Any) -> Iterator[ServiceWorld]:
    """A world that the gateway has seen."""
    with create_service_world(gateway, *instances, **fields) as world:
        world.wait_until_seen()
        yield world


class ServicePool:
    """Hands out worlds that are alike, made several at a time, since the gateway takes a moment to notice."""

    def __init__(self, gateway: Gateway, *instances: UsersInstance, batch: int = 16, **fields: Any) -> None:
        self._gateway, self._instances, self._batch, self._fields = gateway, instances, batch, fields
        self._ready: deque[ServiceWorld] = deque()
        self._exit = contextlib.ExitStack()

    def __enter__(self) -> "ServicePool":
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def take(self) -> ServiceWorld:
        if not self._ready:
            with transaction.atomic():
                self._ready.extend(self._make() for _ in range(self._batch))
            self._ready[-1].wait_until_seen()
        return self._ready.popleft()

    def _make(self) -> ServiceWorld:
        return self._exit.enter_context(create_service_world(self._gateway, *self._instances, **self._fields))
