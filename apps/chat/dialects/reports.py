"""What a provider's report of tokens can be, whatever its dialect. Pure."""

from apps.quotas.weights import Tokens

LONGEST_TOKEN = 128  # bytes; tokenizers have no longer ones, so a text has at least as many tokens as this says


def lacks_input(reported: Tokens) -> bool:
    """No prompt is empty."""
    return reported.input == 0


def lacks_output(reported: Tokens, text_bytes: int) -> bool:
    """A text has tokens."""
    return reported.output * LONGEST_TOKEN < text_bytes


def is_credible(reported: Tokens, text_bytes: int) -> bool:
    """Whether neither is the case, as of nearly all."""
    return reported.input > 0 and reported.output * LONGEST_TOKEN >= text_bytes


def doubt_of(reported: Tokens, text_bytes: int) -> str:
    """Why a report that covers the whole text is not believed; empty if it is."""
    if is_credible(reported, text_bytes):
        return ""
    doubts = [f"{reported.output} tokens for an answer of {text_bytes} bytes"] * lacks_output(reported, text_bytes)
    doubts += ["no tokens for the prompt"] * lacks_input(reported)
    return f"It reports {' and '.join(doubts)}."
