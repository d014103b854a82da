"""The stages of the chat path, and the functions that each is made of: the one place to adapt when they move.

A stage's time is what its functions take of the event loop, without the stages that they call. `tests/test_bench.py`
proves that every name is there, and `make profile` that every stage is entered.
"""

import importlib
from collections.abc import Callable
from typing import Any

STAGES: dict[str, tuple[str, ...]] = {
    "request and trace": ("gateway_project.edge.handler._request",),
    "key": (
        "gateway_project.edge.messages.presented_key",
        "apps.accounts.principals.Principals.authenticate",
    ),
    "body": ("gateway_project.edge.messages.read_body",),
    "Ninja and response": ("ninja.operation.AsyncOperation.run", "apps.chat.routers.chat_completions"),
    "watching the client": ("gateway_project.edge.messages.unless_client_leaves",),
    "repeats": ("apps.chat.pipeline._repeatable", "apps.chat.idempotency.lookup.earlier"),
    "rate limits": ("apps.chat.pipeline.admit", "apps.dataplane.admission.Admission.turn"),
    "parse": ("apps.chat.call.parse",),
    "screening, ten rules": ("apps.chat.guardrails.prompts.screen",),
    "pipeline": ("apps.chat.pipeline.chat",),
    "reserve": ("apps.chat.accounting.reservations.reserve",),
    "handing to the ledger": ("apps.common.commit.Writer.submit", "apps.common.commit._resolve_all"),
    "relay: open, read, close": (
        "apps.chat.relay.attempts.Attempts.first_answer",
        "apps.providers.adapters.openai.OpenAIUpstream.__anext__",
        "apps.providers.adapters.openai.OpenAIUpstream.close",
    ),
    "meter": (
        "apps.chat.dialects.openai_chat.answer.StreamReader.feed",
        "apps.chat.dialects.openai_chat.answer.StreamReader.end",
        "apps.chat.dialects.openai_chat.answer.PlainReader.feed",
        "apps.chat.dialects.openai_chat.answer.PlainReader.end",
    ),
    "transcript": ("apps.chat.accounting.transcripts.Transcript.finish",),
    "settle": ("apps.chat.accounting.settlements.settle",),
    "pump": ("apps.chat.relay.pump.Pump.__init__", "apps.chat.relay.pump.Pump._run"),
    "quota headers": ("apps.chat.accounting.quota_headers.quota_headers",),
    "delivery": (
        "apps.chat.relay.delivery.Delivery.put",
        "apps.chat.relay.delivery.Delivery.finish",
        "apps.chat.relay.delivery.ClientStream.blocks",
    ),
    "sending": ("gateway_project.edge.messages.send_response",),
    "handler and metrics": ("gateway_project.edge.handler.DataPlaneHandler.__call__",),
}
# What commits a batch in the ledger's thread: a method whose last positional argument is the batch.
COMMITS = {"stoa": "apps.common.commit.Writer._commit", "floor": "bench.floor_store.Committer._commit"}
SERVE = "gateway_project.processes.web.serve"
LEDGER_THREAD = "ledger"


class Gone(LookupError):
    """A name of the table is no more."""


def resolve(name: str) -> tuple[Any, str, Callable[..., Any]]:
    """Where a function is kept (a module or a class), under which name, and the function. Raises Gone."""
    owner, _, attribute = name.rpartition(".")
    try:
        place = _module_or_class(owner)
        return place, attribute, getattr(place, attribute)
    except (ImportError, AttributeError) as error:
        raise Gone(f"{name} is gone: adapt bench/stages.py") from error


def _module_or_class(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return getattr(importlib.import_module(module), attribute)
