"""The meaning of each header. `unexplained` finds those that are missing here, and those that no longer exist."""

import ast
import re

from apps.services.foreign import OF_THE_ORIGIN, TOLD_BY_PROXIES
from gateway_project.reference.sources import nodes

READ = {
    "authorization": "`Bearer` and the course's API key.",
    "x-api-key": "The API key, for clients that do not send `authorization`.",
    "api-key": "The API key, as Azure's clients send it. Headers may carry the same key more than once, not two.",
    "content-encoding": "`gzip` or `deflate`, if the body is compressed. The limits hold for what becomes of it.",
    "idempotency-key": "A name for this request. A second one with the same key and body within a day gets the first "
    "answer and costs nothing.",
    "x-assignment": "The tag of the assignment that the request is for. Some rules hold only for such requests.",
    "x-stainless-retry-count": "OpenAI's clients count their retries in it. A retry gets the answer that the attempt "
    "before it would have got.",
    "traceparent": "The trace that the request belongs to (W3C). Stoa passes it on to the provider.",
    "tracestate": "Passed on to the provider with `traceparent`.",
    "x-forwarded-for": "The client's address, from a reverse proxy that `TRUSTED_PROXIES` lists.",
    "x-forwarded-proto": "The scheme that the client used, from such a proxy.",
    "x-forwarded-host": "The host that the client named, from such a proxy.",
}
SENT = {
    "x-request-id": "The ID of the request, in every response. The admin and the logs have the same one.",
    "retry-after": "Seconds to wait before a retry. Missing if a retry would not help.",
    "retry-after-ms": "The same in milliseconds, which OpenAI's clients prefer.",
    "x-should-retry": "`false` tells OpenAI's clients not to retry on their own.",
    "x-quota-limit-tokens": "The student's allowance for this week, in weighted tokens. Missing if it is unlimited.",
    "x-quota-remaining-tokens": "What is left this week, of the student's or a shared allowance, whichever has less.",
    "x-quota-reset": "When the week ends (RFC 3339, in UTC).",
    "x-quota-warning": "The percentage of the student's allowance that is used, from 80 on.",
    "x-quota-fallback": "The model that was asked for. The fallback model answered because the week is used up.",
    "x-quota-capped-output-tokens": "The longest answer, in tokens, that the rest of the week allowed for.",
    "x-ratelimit-limit-requests": "The limit of requests a minute that has the least left.",
    "x-ratelimit-remaining-requests": "How many more requests this limit allows now.",
    "x-ratelimit-reset-requests": "How long until the limit is unused again, such as `6m0s`.",
    "x-ratelimit-limit-tokens": "The limit of tokens a minute that has the least left. Without one, the allowance for "
    "the week that has the least left.",
    "x-ratelimit-remaining-tokens": "How many more tokens this limit allows now.",
    "x-ratelimit-reset-tokens": "How long until the limit is unused again.",
    "ratelimit-policy": "Of a service: the limits in which the request counted, each with its number `q` and the "
    "seconds `w` that it holds for (draft-ietf-httpapi-ratelimit-headers).",
    "ratelimit": "Of a service: what is left of each limit, `r`, and the seconds `t` until all of it is back. A "
    "refusal names only the limits that refused, with the seconds until they admit the next request.",
    "x-gateway-model": "The model that answered, by the provider's name for it. What is not ASCII is percent-encoded.",
    "x-gateway-provider": "The provider that answered. Absent if comments went out before any did.",
    "x-gateway-attempts": "How many deployments were tried, with the one that answered. From a service: how many "
    "requests it took, if more than one.",
    "x-gateway-degraded": "`no-healthy-instance`: the least bad instance of the service answered.",
    "x-stoa-identity": "To a service: who calls, as a signed token (docs/services-identity.md). Missing without a key.",
    "x-stoa-timeout-ms": "To a service: how many milliseconds are left for its answer.",
    "x-gateway-replayed": "The ID of the earlier request whose answer this is. This request costs nothing.",
    "x-gateway-rules": "The IDs of the rules that matched, as far as students are told, separated by commas.",
    "x-gateway-notice": "What these rules say, as percent-encoded UTF-8.",
    "accept-encoding": "With status 415: how a body may be compressed.",
    "x-accel-buffering": "`no` tells a reverse proxy to pass a stream on without a delay.",
    "x-content-type-options": "`nosniff`: what comes is what its type says. Also: `cache-control: no-store`.",
    "allow": "With status 405: the methods that the address accepts.",
    "www-authenticate": "With status 401: how to authenticate.",
}
TOLD = {
    "x-forwarded-for": "The caller's address. `forwarded` says the same, with scheme and host.",
    "x-forwarded-proto": "The scheme that the caller used.",
    "x-forwarded-host": "The host that the caller named.",
    "x-forwarded-prefix": "What Stoa has left out at the beginning of the path, such as `/svc/users`.",
    "x-request-id": "The ID of the request, as its caller and the logs have it.",
    "traceparent": "The trace that the request belongs to. Also: `tracestate`, if there is one.",
    "via": "Through which Stoa the request came, after what others have written there. In answers as well.",
}

_OF_STRANGERS = {name.decode() for name in TOLD_BY_PROXIES | OF_THE_ORIGIN}  # the edge removes these
_NO_HEADERS = {"x-gzip", "x-ms-client-principal"}  # an old name of a coding, and how names begin
_HEADER = re.compile(r"(?:x|retry)-[a-z-]*[a-z]")
_IN_META = re.compile(r"http_(x_[a-z_]+)")


def unexplained() -> set[str]:
    """The headers that only the sources have, or only the tables."""
    return named_in_the_sources() ^ {name for name in {**READ, **SENT, **TOLD} if _HEADER.fullmatch(name)}


def named_in_the_sources() -> set[str]:
    return (
        {name for node in nodes() for name in _names(node) if _HEADER.fullmatch(name)}
        - (_OF_STRANGERS - SENT.keys())
        - _NO_HEADERS
    )


def _names(node: ast.AST) -> list[str]:
    match node:
        case ast.Constant(str(text)):
            in_meta = _IN_META.fullmatch(text.lower())  # Django's name for a header of a request
            return [in_meta.group(1).replace("_", "-") if in_meta else text.lower()]
        case ast.Constant(bytes(raw)):
            return [raw.decode("latin-1").lower()]
        case ast.JoinedStr([ast.Constant(str(start)), *_]) if start.startswith("x-"):
            parts = (re.escape(str(v.value)) if isinstance(v, ast.Constant) else "[a-z]+" for v in node.values)
            pattern = "".join(parts)
            return [name for name in {**READ, **SENT, **TOLD} if re.fullmatch(pattern, name)] or [f"{start}something"]
    return []
