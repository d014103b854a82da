"""What a probe found, in a sentence for operators. Pure.

The sentences are ours. A provider's own words are never part of one, since they may quote a key.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal
from urllib.parse import urlsplit

import httpx

from apps.common.causes import port_of, why

Trouble = Literal[
    "",  # the provider is well
    "unreachable",
    "too_slow",
    "broken",
    "credential",
    "forbidden",
    "billing",
    "rate",
    "error",
    "missing",
    "strange",
    "secret",
    "models",
]
# Troubles in which the server answered a request with the right key, so that students' calls may well succeed.
HARMLESS: frozenset[Trouble] = frozenset({"forbidden", "missing", "strange", "models"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is wrong, empty if nothing is, and the models that the provider lists (None if it gave no list)."""

    trouble: Trouble = ""
    sentence: str
    models: tuple[str, ...] | None = None


# Without an answer


def of_error(error: BaseException, *, url: str, seconds: float) -> Finding:
    """What a request that failed says about the provider."""
    host = urlsplit(url).hostname or ""
    if sentence := why(error, url=url):
        return Finding(trouble="unreachable", sentence=sentence)
    if isinstance(error, httpx.ConnectTimeout):
        sentence = (
            f"No connection to {host} on port {port_of(url)} in time. Is the address right, and no firewall between?"
        )
        return Finding(trouble="too_slow", sentence=sentence)
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return Finding(trouble="too_slow", sentence=f"{host} did not answer within {seconds:g} seconds.")
    if isinstance(error, httpx.TransportError) and not isinstance(error, httpx.ConnectError):
        sentence = f"{host} broke off, or does not speak HTTP on port {port_of(url)}. Check the scheme and the port."
        return Finding(trouble="broken", sentence=sentence)
    return Finding(trouble="unreachable", sentence=f"No connection to {host} ({type(error).__name__}).")


# With an answer


def of_answer(
    status: int, *, models: tuple[str, ...] | None, looks_like_html: bool, is_list_wanted: bool, has_key: bool
) -> Finding:
    """What a complete answer says. `models` is the list in its body, if there is one."""
    if 200 <= status < 300:
        if not is_list_wanted or models is not None:
            return Finding(sentence="Works.", models=models)
        what = "a web page" if looks_like_html else "something else"
        return Finding(trouble="strange", sentence=f"The address answers with {what} instead of a list of models.")
    if status == 401 and not has_key:
        return Finding(trouble="credential", sentence="The provider asks for a key (401). Add a credential with one.")
    trouble, sentence = _STATUSES.get(status) or _of_class(status)
    if trouble in ("missing", "strange") and not is_list_wanted:
        sentence = f"The probe path answers {status}. Correct it, or leave it empty."
    return Finding(trouble=trouble, sentence=sentence)


_STATUSES: dict[int, tuple[Trouble, str]] = {
    401: ("credential", "The provider does not accept the key (401). Enter the secret again."),
    402: ("billing", "The account at the provider has no credit left (402). Top it up there."),
    403: ("forbidden", "The provider knows the key but does not allow this (403). Check its permissions there."),
    404: ("missing", "There is no list of models at this address (404)."),
    405: ("missing", "There is no list of models at this address (405)."),
    407: ("error", "A proxy in between asks for a password of its own (407)."),
    410: ("missing", "There is no list of models at this address any more (410)."),
    429: ("rate", "The provider refuses for now, since too much was asked of it (429)."),
    503: ("error", "The provider is overloaded or down (503)."),
}


def _of_class(status: int) -> tuple[Trouble, str]:
    if 300 <= status < 400:
        return "missing", f"The address redirects elsewhere ({status}), which Stoa does not follow."
    if status >= 500:
        return "error", f"The provider has an error of its own ({status})."
    return "strange", f"The provider answered {status} instead of a list of models."


def with_remedy(finding: Finding, *, base_url: str, better: str) -> Finding:
    """Adds which base URL would answer, or what to look at if none was found."""
    if finding.trouble not in ("missing", "strange"):
        return finding
    if better:
        remedy = f"{better} answers: is that the base URL?"
    elif not urlsplit(base_url).path.rstrip("/").endswith("/v1"):
        remedy = "Check the base URL: most end in /v1."
    else:
        remedy = "If the provider has none, set the path of its probe to “off”."
    return Finding(trouble=finding.trouble, sentence=f"{finding.sentence} {remedy}", models=finding.models)


# Other addresses

_ENDPOINTS = ("/chat/completions", "/completions", "/models", "/responses")


def alternatives(base_url: str) -> list[str]:
    """Base URLs that may have been meant, the likeliest first. All are on the same server."""
    for endpoint in _ENDPOINTS:
        if base_url.endswith(endpoint):
            return [base_url.removesuffix(endpoint)]
    parts = urlsplit(base_url)
    root = f"{parts.scheme}://{parts.netloc}"
    stem = base_url.removesuffix("/v1")
    meant = [stem if stem != base_url else f"{base_url}/v1", f"{root}/v1", f"{root}/api/v1", f"{root}/openai/v1"]
    return [url for n, url in enumerate(meant) if url != base_url and url not in meant[:n]]


# Models


def with_models(finding: Finding, wanted: Collection[str]) -> Finding:
    """Says which upstream models of the deployments the provider does not list."""
    if finding.trouble or not finding.models:
        return finding
    unknown = [name for name in wanted if not is_listed(name, finding.models)]
    if not unknown:
        return finding
    close = get_close_matches(unknown[0], finding.models, n=1, cutoff=0.5)
    meant = f" Did you mean “{close[0]}”?" if close else ""
    more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
    sentence = f"The key works, but the provider does not list “{unknown[0]}”{more}.{meant}"
    return Finding(trouble="models", sentence=sentence, models=finding.models)


def is_listed(name: str, models: Sequence[str]) -> bool:
    """True for a listed model, and for the usual short names of listed ones."""
    name = name.removeprefix("models/")
    for model in models:
        listed = model.removeprefix("models/")
        if listed == name or name.startswith(f"{listed}:") or listed == f"{name}:latest":
            return True
        if listed.startswith(f"{name}-") and listed[len(name) + 1 :].replace("-", "").isdigit():
            return True  # a dated version of it
    return False
