"""Checks of what operators declare about services. Each refuses with a sentence. Pure."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from apps.common.header_fields import is_name, is_value
from apps.common.translation import lazy as _
from apps.services.addresses import has_dots
from apps.services.foreign import NOT_RETURNED, NOT_SENT

RESERVED = frozenset({"batch"})  # kept for what Stoa itself will offer there
CALLERS = frozenset({"student", "staff", "service", "anonymous"})
MOST = 50  # of a list
LONGEST = 2000  # characters of a value

# What the connection or Stoa itself decides. A service may get a key of its own, and another host.
FIXED = {name.decode() for name in NOT_SENT} - {"api-key", "authorization", "host", "x-api-key"} | {"via"}
# In answers also what only Stoa tells browsers, because a service shares its origin with the admin.
FIXED_IN_ANSWERS = {name.decode() for name in NOT_RETURNED} | {
    "content-length", "ratelimit", "ratelimit-policy", "set-cookie", "via",
}  # fmt: skip
FIXED_BEGINNINGS = ("access-control-", "x-forwarded-", "x-stoa-")

_PREFIX = re.compile(r"[a-z0-9][a-z0-9_-]*(?:/[a-z0-9][a-z0-9_-]*){0,2}")
_PATH = re.compile(r"/(?!/)[!-~]*")
_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::[0-9]{1,5})?")
_STATUSES = re.compile(r"[1-5][0-9]{2}(?:-[1-5][0-9]{2})?(?:,[1-5][0-9]{2}(?:-[1-5][0-9]{2})?)*")
_PARAMETER = re.compile(r"[!-~]{1,100}")
_METHOD = re.compile(r"[A-Z][A-Z-]{0,19}")


# Of one field


def validate_prefix(prefix: str) -> None:
    if not _PREFIX.fullmatch(prefix):
        raise ValidationError(
            gettext("Write one to three words of small letters, digits and hyphens, with a slash between.")
        )
    if prefix.partition("/")[0] in RESERVED:
        raise ValidationError(gettext("“{prefix}” is reserved. Choose another address.").format(prefix=prefix))


def validate_callers(callers: Any) -> None:
    if not isinstance(callers, list) or not callers or not CALLERS.issuperset(map(str, callers)):
        raise ValidationError(gettext("List one or more of {callers}.").format(callers=", ".join(sorted(CALLERS))))


def validate_tags(tags: Any) -> None:
    for tag in _texts(tags):
        if not tag.strip() or len(tag) > 40 or not tag.isprintable():
            raise ValidationError(
                gettext("“{tag}” is no tag: write words of at most 40 characters.").format(tag=tag[:40])
            )


def validate_docs_url(url: str) -> None:
    if not url:
        return
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ValidationError(gettext("This is no address.")) from error
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValidationError(gettext("The address must start with https:// or http://."))


def validate_origins(origins: Any) -> None:
    for origin in _texts(origins):
        if not _ORIGIN.fullmatch(origin) or _port(origin) is None:
            raise ValidationError(
                gettext(
                    "“{origin}” is no origin. Write scheme and host in small letters, without a path, such "
                    "as https://app.example.edu."
                ).format(origin=origin[:100])
            )


def validate_path(path: str) -> None:
    """A path to ask of an instance; it may have a query."""
    if path and (not _PATH.fullmatch(path) or "#" in path):
        raise ValidationError(gettext("Write a path that begins with a slash, such as /health, without spaces."))


def validate_statuses(text: str) -> None:
    """Statuses and ranges of statuses, such as 200-299,401."""
    if not _STATUSES.fullmatch(text):
        raise ValidationError(gettext("Write statuses and ranges of them, such as 200-299,401."))
    for part in text.split(","):
        low, _, high = part.partition("-")
        if high and int(high) < int(low):
            raise ValidationError(gettext("The range {part} ends before it begins.").format(part=part))


def validate_retry_statuses(statuses: Any) -> None:
    if not isinstance(statuses, list) or len(statuses) > MOST:
        raise ValidationError(gettext("List statuses, such as [502, 503, 504]."))
    for status in statuses:
        if isinstance(status, bool) or not isinstance(status, int) or not (status == 429 or 500 <= status <= 599):
            raise ValidationError(
                gettext("{status} is no answer to retry: list 429 or statuses from 500 to 599.").format(
                    status=str(status)[:20]
                )
            )


def validate_rewrites(rewrites: Any) -> None:
    """Beginnings of paths that are replaced, as [{"from": …, "to": …}]."""
    for rewrite in _list(rewrites):
        if not isinstance(rewrite, dict) or set(rewrite) != {"from", "to"}:
            raise ValidationError(
                gettext('Each rewrite has “from” and “to”, such as {"from": "/v2/", "to": "/api/v2/"}.')
            )
        for path in (rewrite["from"], rewrite["to"]):
            _validate_beginning(path)
    starts = [rewrite["from"] for rewrite in rewrites]
    if len(set(starts)) < len(starts):
        raise ValidationError(gettext("Two rewrites begin alike; only the first would ever count."))


def validate_route_limits(limits: Any) -> None:
    """Limits for all callers together, as [{"methods": […], "path": …, "requests_per_minute": …, "burst": …}]."""
    for limit in _list(limits):
        if not isinstance(limit, dict) or not {"methods", "path", "requests_per_minute", "burst"}.issuperset(limit):
            raise ValidationError(gettext("Each limit of a route has methods, path, requests_per_minute and burst."))
        methods = limit.get("methods", [])
        if not isinstance(methods, list) or not all(isinstance(m, str) and _METHOD.fullmatch(m) for m in methods):
            raise ValidationError(gettext('“methods” is a list of methods in capitals, such as ["POST", "PUT"].'))
        _validate_beginning(limit.get("path", "/"))
        numbers = [limit[name] for name in ("requests_per_minute", "burst") if limit.get(name) is not None]
        if not numbers or not all(_is_count(number) for number in numbers):
            raise ValidationError(
                gettext("Each limit of a route needs requests_per_minute or burst: a whole number from 1.")
            )


def validate_request_headers(headers: Any) -> None:
    _validate_values(headers, FIXED)


def validate_response_headers(headers: Any) -> None:
    _validate_values(headers, FIXED_IN_ANSWERS)


def validate_removed_request_headers(names: Any) -> None:
    _validate_names(names, FIXED)


def validate_removed_response_headers(names: Any) -> None:
    _validate_names(names, FIXED_IN_ANSWERS)


def validate_query(parameters: Any) -> None:
    """Names and values of parameters. No sentence quotes a value."""
    validate_query_names(list(_pairs(parameters)))
    for name, value in parameters.items():
        if not (isinstance(value, str) and value.isprintable() and len(value) <= LONGEST):
            raise ValidationError(
                gettext("The value of “{name}” must be one line of at most {longest} characters.").format(
                    name=name, longest=LONGEST
                )
            )


def validate_query_names(names: Any) -> None:
    for name in _texts(names):
        if not _PARAMETER.fullmatch(name) or set(name) & set("&=#+%"):
            raise ValidationError(gettext("“{name}” cannot be the name of a parameter.").format(name=name[:100]))


# Of several fields


def shadowed(prefix: str, others: Mapping[str, str]) -> str:
    """What is wrong with a prefix beside those of other services, by name; empty if nothing is."""
    for name, other in others.items():
        if prefix == other:
            return gettext("The service {name} has this address already.").format(name=name)
        if prefix.startswith(f"{other}/"):
            return f"/svc/{prefix} is a part of /svc/{other}, which belongs to the service {name}."
        if other.startswith(f"{prefix}/"):
            return f"/svc/{other}, which belongs to the service {name}, is a part of this address."
    return ""


# (the smaller, the larger): neither may be larger than the other, if both are given
ORDERED = (
    ("breaker_pause_seconds", "breaker_longest_seconds", _("The first pause is longer than the longest.")),
    ("connect_timeout_seconds", "total_timeout_seconds", _("This is longer than the whole request may take.")),
    ("first_byte_timeout_seconds", "total_timeout_seconds", _("This is longer than the whole request may take.")),
    ("max_keepalive_connections", "max_connections", _("There are fewer connections than idle ones to keep.")),
    ("burst", "requests_per_minute", _("This is more than a minute allows.")),
    ("user_burst", "user_requests_per_minute", _("This is more than a minute allows.")),
    ("address_burst", "address_requests_per_minute", _("This is more than a minute allows.")),
)


def complaints(service: Any) -> dict[str, str]:
    """What is wrong with fields that are right by themselves, by name."""
    found = {}
    for low, high, sentence in ORDERED:
        small, large = getattr(service, low), getattr(service, high)
        if small is not None and large is not None and small > large:
            found[low] = sentence
    for sets, removes in (
        ("set_request_headers", "remove_request_headers"),
        ("set_response_headers", "remove_response_headers"),
        ("set_query", "remove_query"),
    ):
        both = _lowered(getattr(service, sets)) & _lowered(getattr(service, removes))
        if both:
            found[removes] = gettext("“{both}” is set as well. Choose one.").format(both=min(both))
    return found


# Shared


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValidationError(gettext("Write a list."))
    if len(value) > MOST:
        raise ValidationError(gettext("At most {most}.").format(most=MOST))
    return value


def _texts(value: Any) -> list[str]:
    texts = _list(value)
    if not all(isinstance(text, str) for text in texts):
        raise ValidationError(gettext("Write a list of texts."))
    if len({text.lower() for text in texts}) < len(texts):
        raise ValidationError(gettext("Something stands there twice."))
    return texts


def _pairs(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValidationError(gettext("Write names with their values."))
    if len(value) > MOST:
        raise ValidationError(gettext("At most {most}.").format(most=MOST))
    return value


def _validate_values(headers: Any, fixed: Collection[str]) -> None:
    """Names and values of headers. No sentence quotes a value."""
    _validate_names(list(_pairs(headers)), fixed)
    for name, value in headers.items():
        if not (isinstance(value, str) and is_value(value) and len(value) <= LONGEST):
            raise ValidationError(
                gettext("The value of “{name}” must be one line of printable ASCII characters.").format(name=name)
            )


def _validate_names(names: Any, fixed: Collection[str]) -> None:
    for name in _texts(names):
        if not is_name(name):
            raise ValidationError(gettext("“{name}” cannot be the name of a header.").format(name=name[:100]))
        if name.lower() in fixed or name.lower().startswith(FIXED_BEGINNINGS):
            raise ValidationError(
                gettext("“{name}” cannot be changed here: the connection or Stoa decides it.").format(name=name)
            )


def _validate_beginning(path: Any) -> None:
    if not isinstance(path, str) or not _PATH.fullmatch(path) or set(path) & set("?#\\") or has_dots(path):
        raise ValidationError(
            gettext("“{path}” is no beginning of a path: it must start with a slash.").format(path=str(path)[:100])
        )


def _is_count(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 1 <= number < 2**31


def _lowered(names: Iterable[str]) -> set[str]:
    return {str(name).lower() for name in names or ()}


def _port(url: str) -> int | None:
    """The port of an address, 0 if it names none, None if it can be none."""
    try:
        return urlsplit(url).port or 0
    except ValueError:
        return None
