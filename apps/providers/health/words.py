"""The words for what went wrong. Pure."""

_WORDS = {
    "unreachable": "No connection could be made.",
    "too_slow": "It did not begin to answer in time.",
    "broken": "It broke off its answer.",
    "empty": "It answered with nothing.",
    "credential": "It refuses this credential.",
    "billing": "It says that this account cannot pay.",
    "rate": "It has reached the rate limit of this credential.",
    "error": "It answered with an error of its own.",
    "missing": "It does not know this model, or the base URL is wrong.",
}
# What became of an attempt, in a word or two. The other sentences are for attempts alone: no health depends on them.
_RESULTS = {
    "answered": "answered",
    "unreachable": "no connection",
    "too_slow": "too slow",
    "broken": "broke off",
    "empty": "empty answer",
    "credential": "key refused",
    "billing": "no credit",
    "rate": "rate limit",
    "busy": "no free connection",
    "full": "no free place",
    "error": "error",
    "missing": "model unknown",
    "too_long": "too long",
    "too_large": "too large",
    "added": "parameter refused",
    "request": "request refused",
}
_OF_ATTEMPTS = {
    **_WORDS,
    "busy": "All connections that Stoa keeps to it were in use.",
    "full": "It had as many calls as it may have at once.",
    "too_long": "The prompt does not fit into this model's context.",
    "too_large": "The request is larger than this provider takes.",
    "added": "It does not understand a parameter that Stoa adds. Stoa asked again without it.",
    "request": "It found a mistake in the request itself, as any other provider would.",
}


def in_words(reason: str, detail: str, *, secret: str = "") -> str:
    """A sentence for the operator. `detail` is ours by the promise of adapters; one that quotes the secret is not."""
    quotes = bool(secret) and secret in detail
    return " ".join(filter(None, (_WORDS.get(reason, ""), "" if quotes else detail)))[:300]


def result_of(outcome: str) -> str:
    """What became of an attempt, in a word or two."""
    return _RESULTS.get(outcome, outcome.replace("_", " "))


def reason_of(outcome: str, status: int) -> str:
    """Why an attempt failed, in a sentence; empty if it did not."""
    if outcome == "answered":
        return ""
    sentence = _OF_ATTEMPTS.get(outcome, "")
    return f"{sentence} (status {status})" if status else sentence
