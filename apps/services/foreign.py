"""Headers that end at Stoa: what a service does not get of a request, and a caller not of an answer."""

from apps.common.header_fields import HOP_BY_HOP

_HOP_BY_HOP = frozenset(name.encode() for name in HOP_BY_HOP)
_KEYS = frozenset({b"authorization", b"x-api-key", b"api-key"})
# Who asks, and for what, as proxies and sign-in in front of a server tell it. Nobody but Stoa tells a service here.
TOLD_BY_PROXIES = frozenset({
    b"forwarded", b"x-real-ip", b"x-client-ip", b"true-client-ip", b"cf-connecting-ip", b"x-cluster-client-ip",
    b"fastly-client-ip", b"client-ip", b"x-original-url", b"x-rewrite-url", b"x-original-uri", b"x-original-host",
    b"x-forwarded", b"forwarded-for", b"x-original-forwarded-for", b"proxy-client-ip", b"wl-proxy-client-ip",
    b"x-azure-clientip", b"x-envoy-external-address", b"x-host", b"proxy",
    b"remote-user", b"x-user", b"x-userinfo", b"x-client-cert", b"x-anonymous-consumer",
})  # fmt: skip
TOLD_SO = (
    b"x-stoa-", b"x-forwarded-", b"x-remote-", b"x-authenticated-", b"x-auth-request-", b"x-consumer-",
    b"x-credential-", b"x-ssl-", b"ssl-client-", b"x-webauth-", b"x-ms-client-principal", b"x-goog-iap-",
    b"x-goog-authenticated-user-", b"x-amzn-oidc-", b"cf-access-",
)  # fmt: skip
_OURS = frozenset({b"host", b"content-length", b"expect", b"x-request-id", b"traceparent", b"tracestate"})
NOT_SENT = _HOP_BY_HOP | _KEYS | TOLD_BY_PROXIES | _OURS
# What speaks for the whole origin, which is ours, or to a proxy in front of us.
OF_THE_ORIGIN = frozenset({
    b"server", b"date", b"x-request-id", b"strict-transport-security", b"clear-site-data", b"service-worker-allowed",
    b"alt-svc", b"public-key-pins", b"public-key-pins-report-only", b"expect-ct", b"nel", b"report-to",
    b"reporting-endpoints", b"origin-agent-cluster", b"accept-ch", b"critical-ch", b"x-accel-redirect",
    b"x-accel-expires", b"x-accel-limit-rate", b"x-accel-charset", b"x-sendfile", b"x-lighttpd-send-file",
    b"x-reproxy-url",
})  # fmt: skip
NOT_RETURNED = _HOP_BY_HOP | OF_THE_ORIGIN
