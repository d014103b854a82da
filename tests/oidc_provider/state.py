"""What the provider is told to do, in its memory."""

from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


def new_pem() -> str:
    key = rsa.generate_private_key(65537, 2048)
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


@dataclass
class State:
    """`people` are claims by user name. `quirks` say what to do wrong; see `misbehaving.py`."""

    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    quirks: dict[str, Any] = field(default_factory=dict)
    pems: list[str] = field(default_factory=lambda: [new_pem()])
    served: dict[str, int] = field(default_factory=dict)  # how often each path was asked for


STATE = State()
