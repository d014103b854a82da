"""From what a provider said to the reason of its refusal. Pure."""

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from apps.providers.failures import wordings
from apps.providers.failures.reasons import Reason, UpstreamRefused
from apps.providers.failures.spellings import Complaint, payload_of, said_in
from apps.providers.failures.waits import retry_after_of

CONTEXT_CODE, CONTENT_CODE = "context_length_exceeded", "content_filter"

_BY_STATUS: Mapping[int, Reason] = {
    **dict.fromkeys((400, 415, 422), "request"),
    **dict.fromkeys((401, 403), "credential"),
    402: "billing",
    **dict.fromkeys((404, 410), "missing"),
    413: "too_large",
    **dict.fromkeys((429, 498), "rate"),  # 498: Groq has no capacity left
}
_OF_THE_REQUEST = frozenset({400, 413, 422, 500, 501})  # some servers answer 500 to a wrong request
_OF_THE_ACCOUNT = frozenset({402, 403, 429})
_IN_DISGUISE = frozenset({400, 403, 422})  # statuses that providers give for what has one of its own


def refusal_of(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: datetime | None = None,
    added: Collection[str] = (),
) -> UpstreamRefused:
    """The refusal that a response with this status is. `added` names the parameters that Stoa put into the request."""
    said = said_in(payload_of(body))
    wait = retry_after_of({**said.hints, **headers}, now)
    if _is_of_a_proxy(status, body):
        return UpstreamRefused("error", detail=f"Answered {status} in HTML", status=status, retry_after=wait)
    return _refused(status, said, added, detail=f"Answered {status}", wait=wait)


def refusal_in(payload: Any, *, now: datetime | None = None, added: Collection[str] = ()) -> UpstreamRefused:
    """The refusal that an error inside an answer with status 200 is, by the status that it names."""
    said = said_in(payload)
    status = said.status or next(filter(None, map(_named, said.names)), 0)
    detail = "Answered 200 with an error" + (f" ({status})" if status else "")
    return _refused(status, said, added, detail=detail, wait=retry_after_of(said.hints, now))


def _named(name: str) -> int:
    return wordings.STATUSES.get(name.lower(), 0)


def _is_of_a_proxy(status: int, body: bytes) -> bool:
    """A page instead of an error: something in between answers, which knows neither our key nor what was asked."""
    return status in (400, 403) and body.lstrip()[:1] == b"<"


def _refused(
    status: int, said: Complaint, added: Collection[str], *, detail: str, wait: float | None = None
) -> UpstreamRefused:
    named = next(iter(said.names), "")
    # Status and identifiers only: providers quote the request or part of our key, and neither may reach the log.
    detail += "".join(f", {name}" for name in (named, said.param) if name)
    if ours := _added(status, said, added):
        return UpstreamRefused("added", detail=detail, status=status, code=said.code, param=ours, retry_after=wait)
    reason, code = _judged(status, said)
    return UpstreamRefused(reason, detail=detail, status=status, code=code, param=said.param, retry_after=wait)


def _added(status: int, said: Complaint, added: Collection[str]) -> str:
    """The parameter that Stoa added and the provider does not take, if it is one."""
    if status not in _OF_THE_REQUEST:
        return ""
    if said.param:
        return next((name for name in added if said.param.split(".")[0] == name), "")
    if not wordings.NOT_UNDERSTOOD.search(said.words):
        return ""
    return next((name for name in added if re.search(rf"\b{re.escape(name)}\b", said.words)), "")


def _judged(status: int, said: Complaint) -> tuple[Reason, str]:
    """The reason, and the code to go with it."""
    if status in _OF_THE_REQUEST | {0} and _says(said, wordings.TOO_LONG, wordings.TOO_LONG_WORDS):
        return "too_long", CONTEXT_CODE
    if status in _IN_DISGUISE | {0} and _says(said, wordings.CONTENT, wordings.CONTENT_WORDS):
        return "request", CONTENT_CODE
    if status < 500 and _says(said, wordings.BILLING, _billing_words(status)):
        return "billing", said.code
    if status in _IN_DISGUISE:
        if _says(said, wordings.CREDENTIAL, wordings.CREDENTIAL_START):
            return "credential", said.code
        if _says(said, wordings.MISSING, wordings.MISSING_START):
            return "missing", said.code
    return _BY_STATUS.get(status, "error"), said.code


def _billing_words(status: int) -> re.Pattern[str]:
    return wordings.BILLING_WORDS if status in _OF_THE_ACCOUNT else wordings.BILLING_START


def _says(said: Complaint, codes: Collection[str], words: re.Pattern[str]) -> bool:
    return any(name.lower() in codes for name in said.names) or words.search(said.words) is not None
