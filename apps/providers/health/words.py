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


def in_words(reason: str, detail: str, *, secret: str = "") -> str:
    """A sentence for the operator. `detail` is ours by the promise of adapters; one that quotes the secret is not."""
    quotes = bool(secret) and secret in detail
    return " ".join(filter(None, (_WORDS.get(reason, ""), "" if quotes else detail)))[:300]
