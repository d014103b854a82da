"""How providers report usage."""

from typing import Any

from tests.provider_stub.named import (
    COUNTED,
    DONE,
    ROLE,
    STOP,
    TEXT,
    USAGE,
    Named,
    chunk,
    completion,
    ends,
    raw,
    reports,
)


def usage(tokens: tuple[int, int, int] | None, **report: Any) -> Named:
    does = {"events": [ROLE, TEXT, STOP, reports(**report), DONE], "plain": raw({**completion(), "usage": report})}
    return Named(does, "answer", tokens=tokens)


USAGES = {
    "openai usage": usage(
        (1000, 900, 200), prompt_tokens=1000, completion_tokens=200, prompt_tokens_details={"cached_tokens": 900}
    ),
    "deepseek usage": usage(
        (1000, 900, 200),
        prompt_tokens=1000,
        completion_tokens=200,
        prompt_cache_hit_tokens=900,
        prompt_cache_miss_tokens=100,
    ),
    "cached at the top": usage((1000, 900, 200), prompt_tokens=1000, completion_tokens=200, cached_tokens=900),
    "anthropic usage": usage((1000, 0, 31), input_tokens=1000, output_tokens=31),
    "float usage": usage((1000, 0, 31), prompt_tokens=1000.0, completion_tokens=31.0),
    "reasoning outside": usage(
        (32, 0, 103),
        prompt_tokens=32,
        completion_tokens=9,
        total_tokens=135,
        completion_tokens_details={"reasoning_tokens": 94},
    ),
    "no completion count": usage((11, 0, 7), prompt_tokens=11, total_tokens=18),
    "zero usage": usage(None, prompt_tokens=0, completion_tokens=0, total_tokens=0),
    "zero prompt": usage(None, prompt_tokens=0, completion_tokens=50, total_tokens=50),
    "negative usage": usage(None, prompt_tokens=-1, completion_tokens=5),
    "absurd usage": usage(None, prompt_tokens=10**13, completion_tokens=10**13),
    "usage in words": usage(None, prompt_tokens="eleven", completion_tokens="seven"),
    "usage in a choice": Named(
        {"events": [ROLE, TEXT, chunk({"index": 0, "delta": {}, "finish_reason": "stop", "usage": COUNTED}), DONE]},
        "answer",
        ("stream",),
        tokens=(11, 0, 7),
    ),
    "usage in every chunk": Named({"usage_everywhere": True}, "answer", ("stream",)),
    "usage with the last chunk": Named(
        {"events": [ROLE, TEXT, ends(usage=COUNTED), DONE]}, "answer", ("stream",), tokens=(11, 0, 7)
    ),
    "usage twice": Named(
        {"events": [ROLE, TEXT, STOP, reports(prompt_tokens=1, completion_tokens=1), USAGE, DONE]},
        "answer",
        ("stream",),
        tokens=(11, 0, 7),
    ),
}
