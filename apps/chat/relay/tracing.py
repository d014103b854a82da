"""The span of an attempt, with the names that OpenTelemetry gives to calls of models."""

from apps.chat.call import Accepted, ChatCall
from apps.common import spans
from apps.providers.catalogue import Target

ANSWERED = "answered"


def span_of(call: ChatCall, target: Target) -> spans.TraceSpan:
    """Ended by its `end`, or with the failure of the attempt."""
    span = spans.stage(f"chat {target.upstream_model}", "client")
    if span is not spans.NOTHING:
        span.set(
            gen_ai__operation__name="chat",
            gen_ai__provider__name=target.provider,
            gen_ai__request__model=target.upstream_model,
            gen_ai__request__stream=call.is_stream,
            stoa__model=call.model,
        )
    return span


def end(span: spans.TraceSpan, answer: Accepted, *, outcome: str) -> None:
    """The answer is over."""
    usage = answer.reader.usage
    if usage is not None and span is not spans.NOTHING:
        span.set(gen_ai__usage__input_tokens=usage.input, gen_ai__usage__output_tokens=usage.output)
    span.end(error="" if outcome == ANSWERED else outcome)
