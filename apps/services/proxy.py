"""One request to a service, from its arrival to the answer that is passed on."""

from functools import partial

from apps.common.clients import Pairs, RelayResponse
from apps.dataplane.answers import Relayed
from apps.services import gate
from apps.services.admitted import AdmittedRequest
from apps.services.arrivals import ServiceArrival
from apps.services.attempts import InstanceAttempts, may_be_repeated
from apps.services.balancing import ChosenInstance
from apps.services.bodies import SendableBody, sendable
from apps.services.headers import outgoing, returned
from apps.services.relaying import Relay
from apps.services.runtime import ServiceRuntime
from apps.services.story import Story


async def answer(runtime: ServiceRuntime, arrival: ServiceArrival) -> Relayed:
    """Ask instances of the service until one answers, and pass its answer on. Raises GatewayError."""
    entry, is_repeatable = arrival.entry, may_be_repeated(arrival)
    with Story(runtime.records, arrival) as story:
        admitted = story.admitted = await gate.admit(runtime, arrival)
        with admitted.answering():
            body = story.body = await sendable(arrival.body, keeps=entry.retries.keeps, is_repeatable=is_repeatable)
            attempts = story.attempts = InstanceAttempts(arrival, runtime.memory, body, ends_at=story.ends_at)
            relay = await attempts.first_answer(partial(_send, runtime, arrival, admitted, body))
        story.goes_on(relay)
    return Relayed(
        status=relay.response.status,
        pairs=returned(entry, relay.response.pairs, more=_told(admitted, attempts, relay)),
        blocks=admitted.passed_on(relay.blocks()),
        on_disconnect=relay.close,
    )


async def _send(
    runtime: ServiceRuntime,
    arrival: ServiceArrival,
    admitted: AdmittedRequest,
    body: SendableBody,
    choice: ChosenInstance,
    seconds: float,
) -> RelayResponse:
    """Send the request to one instance, which learns how long its caller waits."""
    more = [(name.encode(), value.encode()) for name, value in admitted.identity.items()]
    more.append((b"x-stoa-timeout-ms", b"%d" % (seconds * 1000)))
    target, pairs = outgoing(arrival, choice.endpoint, more=more)
    return await runtime.pools.of(arrival.entry).request(
        arrival.method,
        choice.endpoint.url,
        target=target,
        headers=pairs,
        body=body if body.whole is None else body.whole,
        length=body.length,
        patience=min(seconds, arrival.entry.timeouts.first_byte) / 2,
        allow_private=arrival.entry.allow_private,
        may_repeat=may_be_repeated(arrival),
    )


def _told(admitted: AdmittedRequest, attempts: InstanceAttempts, relay: Relay) -> Pairs:
    """What the caller learns of Stoa beside the answer."""
    told = [(name.encode(), value.encode()) for name, value in admitted.headers.items()]
    if attempts.count > 1:
        told.append((b"x-gateway-attempts", b"%d" % attempts.count))
    if relay.is_least_bad:
        told.append((b"x-gateway-degraded", b"no-healthy-instance"))
    return told
