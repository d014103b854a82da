"""A provider for tests: a real HTTP server on this machine that misbehaves on request and keeps a journal."""

from tests.provider_stub.behaviour import Behaviour
from tests.provider_stub.journal import Exchange
from tests.provider_stub.stub import ProviderStub

__all__ = ["Behaviour", "Exchange", "ProviderStub"]
