"""Encrypts stored secrets with AES-256-GCM, bound to the place where they are stored.

Stored form: `v1:<key id>:<nonce>:<ciphertext>`, base64url. The place (`table:field:row`) is authenticated, so a
ciphertext that is copied into another row cannot be decrypted there. A value that cannot be decrypted raises, and is
never returned as it is.
"""

import base64
import hashlib
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class CannotDecrypt(Exception):
    """The stored secret was encrypted with another key, moved, or damaged."""


def _key(secret: str) -> bytes:
    return hashlib.sha256(b"stoa credential encryption\0" + secret.encode()).digest()


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"stoa key id\0" + key).hexdigest()[:8]


def encrypt(plain: str, *, place: str, keys: Sequence[str]) -> str:
    """Encrypt with the first key, which is the newest."""
    return seal(plain.encode(), place=place, keys=keys)


def decrypt(stored: str, *, place: str, keys: Sequence[str]) -> str:
    """Decrypt a stored secret. Raises CannotDecrypt."""
    return unseal(stored, place=place, keys=keys).decode()


def seal(plain: bytes, *, place: str, keys: Sequence[str]) -> str:
    key, nonce = _key(keys[0]), os.urandom(12)
    key_id = _key_id(key)
    sealed = AESGCM(key).encrypt(nonce, plain, f"{place}:{key_id}".encode())
    return ":".join(("v1", key_id, _text(nonce), _text(sealed)))


def unseal(stored: str, *, place: str, keys: Sequence[str]) -> bytes:
    """Raises CannotDecrypt."""
    try:
        version, key_id, nonce, sealed = stored.split(":")
        key = next(key for key in map(_key, keys) if _key_id(key) == key_id)
        if version != "v1":
            raise CannotDecrypt("The secret is stored in an unknown form.")
        return AESGCM(key).decrypt(_bytes(nonce), _bytes(sealed), f"{place}:{key_id}".encode())
    except (ValueError, StopIteration, InvalidTag) as error:
        raise CannotDecrypt("The secret does not open with the keys in GATEWAY_SECRET_KEYS.") from error


def anew(stored: str, *, place: str, keys: Sequence[str]) -> str | None:
    """The same secret, encrypted with the first key. None if it is already. Raises CannotDecrypt.

    That it opens is checked in both cases.
    """
    plain = unseal(stored, place=place, keys=keys)
    return None if stored.split(":")[1] == _key_id(_key(keys[0])) else seal(plain, place=place, keys=keys)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text)
