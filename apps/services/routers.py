"""The one operation of the service gateway: every method, every path below /svc."""

from ninja import Router

from apps.dataplane.answers import Relayed
from apps.services import proxy
from apps.services.requests import ServiceRequest

router = Router(tags=["Services"])
# What the server's parser knows, without CONNECT and TRACE, which are for proxies and show what they were sent.
METHODS = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "SEARCH", "REPORT", "PROPFIND", "PROPPATCH",
    "MKCOL", "MKCALENDAR", "COPY", "MOVE", "LOCK", "UNLOCK", "ACL", "BIND", "REBIND", "UNBIND", "LINK", "UNLINK",
    "CHECKOUT", "MERGE", "MKACTIVITY", "NOTIFY", "SUBSCRIBE", "UNSUBSCRIBE", "M-SEARCH", "PURGE", "SOURCE",
]  # fmt: skip


@router.api_operation(METHODS, "/{path:path}", include_in_schema=False)
async def relay(request: ServiceRequest, path: str) -> Relayed:
    """`path` is decoded, so it is not what is passed on: that is in `request.arrival`."""
    return await proxy.answer(request.services, request.arrival)
