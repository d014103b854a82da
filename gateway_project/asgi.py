"""The ASGI application: /svc, /v1 and what is meant for it go to the data plane, all else to the control plane."""

import asyncio
import logging
import os
import warnings
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_project.settings")

from django.core.asgi import get_asgi_application

_control = get_asgi_application()

from django.conf import settings  # noqa: E402
from django.urls import get_resolver  # noqa: E402

from apps.chat.runtime import ChatRuntime  # noqa: E402
from apps.common.outages import Trouble, trouble  # noqa: E402
from apps.dataplane.plane import DataPlane  # noqa: E402
from apps.operations import live  # noqa: E402
from apps.quotas.rate_limits.addresses import AddressLimit  # noqa: E402
from apps.services.runtime import ServiceRuntime  # noqa: E402
from gateway_project.databases import disconnect  # noqa: E402
from gateway_project.edge import unknown  # noqa: E402
from gateway_project.edge.base_url import is_for_students  # noqa: E402
from gateway_project.edge.forwarding import TrustedProxies  # noqa: E402
from gateway_project.edge.handler import DataPlaneHandler  # noqa: E402
from gateway_project.edge.messages import limit_of_form, with_body_limit  # noqa: E402
from gateway_project.edge.services import ServiceHandler, is_for_services  # noqa: E402
from gateway_project.health import process  # noqa: E402
from gateway_project.observability import pools, tracing  # noqa: E402
from gateway_project.observability.showing import show_for_ever  # noqa: E402
from gateway_project.processes.garbage import spare_the_collector  # noqa: E402

logger = logging.getLogger(__name__)
# Django consumes the admin's static files, which are synchronous iterators, in a thread. That is fine here.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")
_data = DataPlaneHandler()
_services = ServiceHandler()
_limited = unknown.SignInLimit(
    _control, AddressLimit(settings.UNKNOWN_REQUESTS_PER_MINUTE, processes=settings.WEB_CONCURRENCY)
)
_proxies = TrustedProxies(settings.TRUSTED_PROXIES)
_SERVES_STUDENTS = settings.GATEWAY_ROLE != "control"


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await _lifespan(scope, receive, send)
        return
    scope = _proxies.seen_through(scope)
    if _SERVES_STUDENTS and is_for_services(scope["path"]):
        await _services(scope, receive, send)
    elif _SERVES_STUDENTS and is_for_students(scope["path"]):
        await _data(scope, receive, send)
    else:
        await with_body_limit(_limited, scope, receive, send, limit=_most_bytes(scope))


def _most_bytes(scope: Any) -> int:
    """Of a body for the control plane. Whoever is yet to sign in has no more to say than who they are."""
    if unknown.is_of_people(scope) or scope["path"].startswith("/auth/"):
        return unknown.MOST_BYTES
    return limit_of_form(scope, form=settings.MAX_UPLOAD_SIZE, other=settings.MAX_REQUEST_SIZE)


async def _lifespan(scope: Any, receive: Any, send: Any) -> None:
    """Open the data plane before the first request and close it after the last."""
    await receive()
    plane: DataPlane | None = None
    try:
        await asyncio.to_thread(tracing.start)
        if settings.GATEWAY_ROLE != "control":
            plane = await DataPlane.open()
            chat = await ChatRuntime.open(plane)
            services = await ServiceRuntime.open(plane)
            await plane.start(*chat.snapshots, *services.snapshots, live.live_settings())
            chat.start()
            services.start()
            scope["state"].update(plane=plane, chat=chat, services=services)
            plane.run(show_for_ever(plane, chat, services))
            plane.run(pools.tell_for_ever(plane, chat, services))
        else:
            live.follow()
        process.watch(plane)
        get_resolver().url_patterns  # noqa: B018  # loads the admin before the collector is frozen
        spare_the_collector()
        await send({"type": "lifespan.startup.complete"})
    except Exception as error:
        if trouble(error) in (Trouble.AWAY, Trouble.BUSY):  # no bug: the supervisor restarts this process
            logger.error("The data plane cannot start: the database says %s", str(error).partition("\n")[0])
        else:
            logger.exception("The data plane could not start")
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return
    await receive()
    if plane is not None:
        await plane.close()
    await asyncio.to_thread(tracing.stop)
    await asyncio.to_thread(disconnect)
    await send({"type": "lifespan.shutdown.complete"})
