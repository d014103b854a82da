"""Compresses what the control plane answers, where nobody can learn a secret from the length of the answer.

Who watches a connection sees how long answers are. If an answer has a secret and repeats what its request said, the
secret can be found letter by letter, by making a browser ask again and again (BREACH). So an answer is left as it is
when its request had a query or a body, unless the request brought a key of its own, which no foreign page can make a
browser send.
"""

from collections.abc import Iterator
from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.deprecation import MiddlewareMixin
from django.utils.text import compress_string

LEAST: Final = 1_000  # bytes
MOST_PADDING: Final = 100  # random bytes, so that lengths say less about what is on a page
_KINDS: Final = ("text/", "application/json", "application/javascript", "application/openmetrics", "image/svg+xml")


class PackingMiddleware(MiddlewareMixin):
    """Never touches streams: neither static files, which have their length, nor what is still being made."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        content = None if response.streaming else getattr(response, "content", None)
        if content is None or len(content) < LEAST or not _is_text(response) or _may_tell(request, response):
            return response
        patch_vary_headers(response, ("Accept-Encoding",))
        if not accepts_gzip(request.headers.get("accept-encoding", "")):
            return response
        packed = compress_string(content, max_random_bytes=MOST_PADDING)
        if len(packed) >= len(content):
            return response
        response.content = packed  # type: ignore[attr-defined]
        response.headers["content-length"] = str(len(packed))
        response.headers["content-encoding"] = "gzip"
        if (tag := response.headers.get("etag", "")).startswith('"'):
            response.headers["etag"] = f"W/{tag}"
        return response


def _is_text(response: HttpResponseBase) -> bool:
    kind = response.headers.get("content-type", "")
    return kind.startswith(_KINDS) and not response.has_header("content-encoding")


def _may_tell(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Whether a secret and somebody else's words may meet in this answer. Pages of errors repeat the path."""
    if request.headers.get("authorization"):
        return False
    return (
        request.method not in ("GET", "HEAD") or bool(request.META.get("QUERY_STRING")) or response.status_code != 200
    )


def accepts_gzip(header: str) -> bool:
    """What an Accept-Encoding says of gzip: by its name, or else by `*`."""
    weights = dict(_weights(header))
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def _weights(header: str) -> Iterator[tuple[str, float]]:
    for part in header.lower().split(","):
        name, *parameters = (one.strip() for one in part.split(";"))
        weight = next((one[2:] for one in parameters if one.startswith("q=")), "1")
        try:
            yield name, float(weight)
        except ValueError:
            yield name, 0.0
