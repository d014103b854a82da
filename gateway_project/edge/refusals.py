"""Answers of the protocol itself, to requests that no application sees. Pure."""


def refusal(status: str, message: str = "", *headers: str) -> bytes:
    lines = (
        f"HTTP/1.1 {status}",
        "content-type: text/plain; charset=utf-8",
        f"content-length: {len(message)}",
        "connection: close",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
        *headers,
    )
    return "\r\n".join((*lines, "", message)).encode()


TOO_LONG = refusal("414 URI Too Long")
TOO_LARGE = refusal("431 Request Header Fields Too Large")
TOO_MANY = refusal("503 Service Unavailable", "Too many connections. Try again in a moment.", "retry-after: 2")
