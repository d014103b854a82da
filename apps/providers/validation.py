"""Checks of what operators enter about providers. Each refuses with a sentence."""

import re
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from apps.common.header_fields import HOP_BY_HOP, is_name, is_value

MAX_HEADERS = 20
MAX_HEADER_BYTES = 4000
_VERSION = re.compile(r"v\d+\w*", re.IGNORECASE)
_ENDPOINT = re.compile(r"(?:/chat)?/completions$", re.IGNORECASE)
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,59}")
_NEEDED = frozenset({"model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens"})
_PATH = re.compile(r"/(?!/)[!-~]*")

# What the connection, the credential or Stoa itself decides.
RESERVED = HOP_BY_HOP | {
    "accept", "accept-encoding", "authorization", "content-encoding", "content-length", "content-type", "cookie",
    "date", "expect", "host", "traceparent", "tracestate", "x-request-id",
}  # fmt: skip


def is_key(secret: str) -> bool:
    """Whether a secret can be sent as a key: HTTP has no place for spaces or anything but ASCII in one."""
    return secret.isascii() and secret.isprintable() and " " not in secret


def validate_secret(secret: str) -> None:
    """No sentence quotes it."""
    if not is_key(secret):
        raise ValidationError(
            gettext(
                "This holds a space or a character that no provider's key contains. "
                "Enter the key alone, without “Bearer”."
            )
        )


def validate_address(url: str) -> None:
    """A base URL that passed `check_url`."""
    if _ENDPOINT.search(url):
        raise ValidationError(
            gettext("Leave out the endpoint, which Stoa adds: write {sub}.").format(sub=_ENDPOINT.sub("", url))
        )


def advice_on_address(url: str) -> str:
    """A doubt about a base URL that may be right all the same, or nothing."""
    path = urlsplit(url).path
    if url and not any(_VERSION.fullmatch(segment) for segment in path.split("/")):
        return gettext(
            "The address has no version such as /v1. Most providers need one: calls will go to {url}/chat/completions."
        ).format(url=url)
    return ""


def validate_headers(headers: Any) -> None:
    """Names and values of request headers. No sentence quotes a value."""
    if not isinstance(headers, dict):
        raise ValidationError(gettext('Write names and values as JSON, such as {"X-Title": "Stoa"}.'))
    if len(headers) > MAX_HEADERS:
        raise ValidationError(gettext("At most {max_headers} headers.").format(max_headers=MAX_HEADERS))
    seen: set[str] = set()
    for name, value in headers.items():
        _validate_header(name, value)
        if name.lower() in seen:
            raise ValidationError(gettext("“{name}” is given twice.").format(name=name))
        seen.add(name.lower())


def _validate_header(name: Any, value: Any) -> None:
    if not (isinstance(name, str) and is_name(name)):
        raise ValidationError(gettext("“{name}” cannot be the name of a header.").format(name=str(name)[:100]))
    if name.lower() in RESERVED:
        raise ValidationError(
            gettext("“{name}” cannot be set here: the connection, the credential or Stoa decides it.").format(name=name)
        )
    if not (isinstance(value, str) and is_value(value) and len(value) <= MAX_HEADER_BYTES):
        raise ValidationError(
            gettext("The value of “{name}” must be one line of printable ASCII characters.").format(name=name)
        )


def validate_upstream_model(name: str) -> None:
    if not (name.isascii() and name.isprintable() and name == name.strip()):
        raise ValidationError(gettext("Use printable ASCII characters only, without a space at either end."))


def validate_probe_path(path: str) -> None:
    if path not in ("", "off") and not _PATH.fullmatch(path):
        raise ValidationError(
            gettext("Leave it empty, write off, or give a path on the server that begins with one slash.")
        )


def validate_parameters(names: str) -> None:
    """Names of parameters, one a line."""
    for name in names.split():
        if not _PARAMETER.fullmatch(name):
            raise ValidationError(
                gettext("“{name}” cannot be the name of a parameter. Write one a line, without commas.").format(
                    name=name[:100]
                )
            )
        if name in _NEEDED:
            raise ValidationError(gettext("“{name}” cannot be refused: Stoa itself depends on it.").format(name=name))
