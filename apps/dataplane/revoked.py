"""Ends the live requests of those who lost access: their key was revoked, or they or their course are gone."""

import asyncio
import logging
from typing import Any

from apps.accounts.principals import Principal, Principals, ended_among
from apps.common.commit import StoreAway
from apps.dataplane.live import LiveRequests

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0


async def end_for_ever(live: LiveRequests[Any], principals: Principals) -> None:
    """Look every second. A database that is away ends nobody's request."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            await end_revoked(live, principals)
        except StoreAway:
            pass  # the plane logs the outage
        except Exception:
            logger.exception("Looking for revoked keys failed; trying again")


async def end_revoked(live: LiveRequests[Any], principals: Principals) -> None:
    """Costs nothing as long as no account has changed since the callers were admitted."""
    revision = principals.revision.current
    due = [request for request in live if request.admitted != revision and request.principal is not None]
    if not due:
        return
    ended = await asyncio.to_thread(ended_among, {_caller(request.principal) for request in due})
    for request in due:
        request.admitted = revision
        if _caller(request.principal) in ended:
            request.stop("access_ended")


def _caller(principal: Principal) -> tuple[int, int]:
    return principal.key_id, principal.membership_id
