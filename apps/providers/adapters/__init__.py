"""Adapters by the name in a provider's row."""

from collections.abc import Callable, Mapping

from apps.common.clients import RelayClient
from apps.providers.adapters.echo import EchoAdapter
from apps.providers.adapters.openai import OpenAIAdapter
from apps.providers.adapters.protocol import Adapter

ADAPTERS: Mapping[str, Callable[[RelayClient], Adapter]] = {
    "openai": OpenAIAdapter,
    "echo": lambda client: EchoAdapter(),
}
