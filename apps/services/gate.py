"""The gate of the services: what a request must pass before it goes to an instance, and what it holds meanwhile."""

from collections.abc import Sequence

from apps.common.errors import NotAllowed
from apps.dataplane.admission import shutting_down
from apps.quotas.rate_limits.fields import fields
from apps.quotas.rate_limits.limits import Rate, Scope
from apps.services.admitted import AdmittedRequest
from apps.services.arrivals import ServiceArrival
from apps.services.identities import HEADER
from apps.services.rates import scopes_of
from apps.services.runtime import ServiceRuntime


async def admit(runtime: ServiceRuntime, arrival: ServiceArrival) -> AdmittedRequest:
    """Let a request in that may call the service. Raises GatewayError, RateLimited among them."""
    plane, principal = runtime.plane, arrival.principal
    if plane.is_draining:
        raise shutting_down()
    if principal is not None:
        plane.sightings.keys.add((principal.key_id, arrival.address))
        if not principal.is_open:
            raise NotAllowed("course_closed", f"The course {principal.course_slug} is closed. Ask your instructor.")
    scopes = scopes_of(arrival.entry, principal, address=arrival.address, method=arrival.method, rest=arrival.rest)
    turn = await plane.admission.turn()
    try:
        rates = await plane.rates.admit_each(scopes, id=arrival.id)
    finally:
        turn.end()

    try:
        identity = await _identity(runtime, arrival)
    except BaseException:
        plane.rates.release(arrival.id)
        raise

    def leave(request: AdmittedRequest) -> None:
        plane.rates.release(arrival.id)
        runtime.live.discard(request)

    admitted = AdmittedRequest(
        principal=principal,
        admitted=arrival.admitted,
        headers=_told(scopes, rates),
        identity=identity,
        on_end=leave,
    )
    runtime.live.add(admitted)
    return admitted


async def _identity(runtime: ServiceRuntime, arrival: ServiceArrival) -> dict[str, str]:
    if arrival.principal is None or not arrival.entry.sends_identity:
        return {}
    return {HEADER: await runtime.identities.token(arrival.entry.name, arrival.principal, now=arrival.now)}


def _told(scopes: tuple[Scope, ...], rates: Sequence[Rate]) -> dict[str, str]:
    if not scopes:
        return {}
    return fields(scopes, [(scope, rate.remaining, rate.reset) for scope, rate in zip(scopes, rates, strict=True)])
