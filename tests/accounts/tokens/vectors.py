"""Tokens as attackers make them: each differs from a good one in one thing."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.accounts.tokens.forging import MISSING, Forge, dumped, encoded

_EC = ec.generate_private_key(ec.SECP256R1())
_EC384 = ec.generate_private_key(ec.SECP384R1())
_K1 = ec.generate_private_key(ec.SECP256K1())
_ED = ed25519.Ed25519PrivateKey.generate()
_RSA = rsa.generate_private_key(65537, 2048)


def _der_signed(forge: Forge) -> str:
    start = forge.good().rpartition(".")[0]
    return f"{start}.{encoded(forge.key.private().sign(start.encode(), ec.ECDSA(hashes.SHA256())))}"


def _foreign_jwk() -> dict[str, Any]:
    return dict(jwt.algorithms.ECAlgorithm.to_jwk(_EC.public_key(), as_dict=True))


def _other_algorithm(forge: Forge, alg: str, key: Any) -> str:
    return jwt.encode(forge.claims, key, algorithm=alg, headers={"kid": forge.key.kid, "typ": "at+jwt"})


Vector = Callable[[Forge], str]


def _vectors() -> Iterator[tuple[str, Vector]]:
    # No signature, or one that a shared secret makes
    for alg in ("none", "None", "NONE", "nOnE", "", "null", " none", None, MISSING, ["ES256"], {"alg": "none"}, 256):
        name = "missing" if alg is MISSING else repr(alg)
        yield f"alg {name}, unsigned", lambda forge, alg=alg: forge.unsigned(alg)  # type: ignore[misc]
    yield "alg none with a signature", lambda forge: forge.unsigned("none", forge.good().rpartition(".")[2])
    yield "ES256 without a signature", lambda forge: forge.unsigned("ES256")
    yield "alg in lower case", lambda forge: forge.headed(alg="es256")
    secrets: dict[str, Callable[[Forge], bytes]] = {
        "the public key as PEM": lambda forge: forge.pem(),
        "the PEM without its last line break": lambda forge: forge.pem().strip(),
        "the PEM behind a byte order mark": lambda forge: b"\xef\xbb\xbf" + forge.pem(),
        "the public key as DER": lambda forge: forge.der(),
        "the JWK": lambda forge: json.dumps(forge.key.public_jwk).encode(),
        "the key set": lambda forge: json.dumps({"keys": [forge.key.public_jwk]}).encode(),
        "the x of the key": lambda forge: forge.key.public_jwk["x"].encode(),
        "the kid": lambda forge: forge.key.kid.encode(),
        "an empty secret": lambda forge: b"",
        "secret": lambda forge: b"secret",
        "the hash of the key": lambda forge: hashlib.sha256(forge.der()).digest(),
    }
    for name, secret in secrets.items():
        yield f"HS256 with {name}", lambda forge, secret=secret: forge.keyed(secret(forge))  # type: ignore[misc]
    yield "HS384 with the PEM", lambda forge: forge.keyed(forge.pem(), "HS384")
    yield "HS512 with the PEM", lambda forge: forge.keyed(forge.pem(), "HS512")
    # Another key or algorithm
    yield "a foreign key under our kid", lambda forge: forge.token(key=_EC)
    yield "RS256 under our kid", lambda forge: _other_algorithm(forge, "RS256", _RSA)
    yield "PS256 under our kid", lambda forge: _other_algorithm(forge, "PS256", _RSA)
    yield "ES384 under our kid", lambda forge: _other_algorithm(forge, "ES384", _EC384)
    yield "ES256K under our kid", lambda forge: _other_algorithm(forge, "ES256K", _K1)
    yield "EdDSA under our kid", lambda forge: _other_algorithm(forge, "EdDSA", _ED)
    yield "a key that has been replaced", lambda forge: forge.headed(kid=forge.ended.kid, key=forge.ended.private())
    # The name of the key
    kids = {
        "of nobody": "A" * 43,
        "a path": "../../../../dev/null",
        "a file": "/etc/passwd",
        "an address": "https://evil.example/key",
        "SQL": "' OR '1'='1",
        "a union": "x' UNION SELECT 'AAAA' --",
        "a null character": "abc\0def",
        "empty": "",
        "a number": 1,
        "null": None,
        "a list": ["a"],
        "an object": {"a": 1},
        "missing": MISSING,
        "too long": "k" * 600,
        "not ASCII": "ключ",
    }
    for name, kid in kids.items():
        yield f"kid {name}", lambda forge, kid=kid: forge.headed(kid=kid, key=_EC)  # type: ignore[misc]
    # Headers that want to bring the key along, or change how it is read
    brought: dict[str, Any] = {
        "jku": "https://evil.example/jwks.json",
        "x5u": "https://evil.example/cert.pem",
        "x5c": ["MIIB"],
        "x5t": "abc",
        "jwk": _foreign_jwk(),
    }
    for name, value in brought.items():
        yield f"{name} of a foreign key", lambda forge, n=name, v=value: forge.headed(key=_EC, **{n: v})  # type: ignore[misc]
        yield f"{name}, signed by us", lambda forge, n=name, v=value: forge.headed(**{n: v})  # type: ignore[misc]
    yield "jwk of a foreign key without kid", lambda forge: forge.headed(key=_EC, kid=MISSING, jwk=_foreign_jwk())
    headers: dict[str, dict[str, Any]] = {
        "crit that nobody knows": {"crit": ["x"], "x": 1},
        "crit that is empty": {"crit": []},
        "crit of a wrong type": {"crit": "exp"},
        "b64 false": {"b64": False, "crit": ["b64"]},
        "b64 false without crit": {"b64": False},
        "zip": {"zip": "DEF"},
        "typ JWT": {"typ": "JWT"},
        "typ of another kind": {"typ": "refresh+jwt"},
        "no typ": {"typ": MISSING},
        "typ of a wrong type": {"typ": 1},
        "cty JWT": {"cty": "JWT"},
    }
    for name, header in headers.items():
        yield name, lambda forge, header=header: forge.headed(**header)  # type: ignore[misc]
    # The shape
    yield "no token", lambda forge: "x"
    yield "one part", lambda forge: forge.good().split(".")[0]
    yield "two parts", lambda forge: forge.good().rpartition(".")[0]
    yield "four parts", lambda forge: forge.good() + ".AAAA"
    yield "five parts, as if encrypted", lambda forge: forge.good() + ".AAAA.AAAA"
    yield "a dot at the end", lambda forge: forge.good() + "."
    yield "a dot at the beginning", lambda forge: "." + forge.good()
    yield "Bearer twice", lambda forge: "Bearer " + forge.good()
    yield "in quotation marks", lambda forge: f'"{forge.good()}"'
    yield "two tokens", lambda forge: f"{forge.good()},{forge.good()}"
    yield "the payload detached", lambda forge: forge.mended(1, lambda part: "")
    yield "a padded header", lambda forge: forge.padded(0)
    yield "a padded payload", lambda forge: forge.padded(1)
    yield "a padded signature", lambda forge: forge.good() + "=="
    yield "a blank in the payload", lambda forge: forge.mended(1, lambda part: f"{part[:9]} {part[9:]}")
    yield "the other alphabet", lambda forge: forge.mended(2, lambda part: "+/" + part[2:])
    yield "a JWT within a JWT", lambda forge: forge.raw(forge.header, forge.good().encode())
    yield "a header that is no JSON", lambda forge: forge.raw(b'{"alg"', forge.claims)
    yield "a header that is a list", lambda forge: forge.raw(["ES256"], forge.claims)
    yield (
        "a header with alg twice",
        lambda forge: forge.raw(dumped(forge.header).replace(b"{", b'{"alg": "none", ', 1), forge.claims),
    )
    yield "9 kB", lambda forge: forge.token(more="x" * 9000)
    # The signature
    yield "a signature that is cut", lambda forge: forge.good()[:-4]
    yield "a signature with more behind it", lambda forge: forge.good() + "AAAA"
    yield "a signature of zeros", lambda forge: forge.mended(2, lambda part: encoded(bytes(64)))
    yield "a signature of ones", lambda forge: forge.mended(2, lambda part: encoded(b"\xff" * 64))
    yield "a signature as DER", _der_signed
    yield (
        "the signature of another token",
        lambda forge: forge.mended(2, lambda part: forge.token(jti="1").split(".")[2]),
    )
    yield (
        "one letter changed",
        lambda forge: forge.mended(1, lambda part: part[:20] + ("A" if part[20] != "A" else "B") + part[21:]),
    )
    # What is no object of claims
    for name, payload in {
        "a list": b"[]",
        "a text": b'"x"',
        "a number": b"1",
        "null": b"null",
        "nothing": b"",
        "an empty object": b"{}",
        "no JSON": b"{",
        "no UTF-8": b'{"sub": "\xff"}',
        "a byte order mark": b"\xef\xbb\xbf{}",
        "two objects": b"{}{}",
        "3,000 lists in each other": b"[" * 3000 + b"]" * 3000,
        "3,000 objects in each other": b'{"a":' * 1000 + b"1" + b"}" * 1000,
    }.items():
        yield f"claims: {name}", lambda forge, payload=payload: forge.raw(forge.header, payload)  # type: ignore[misc]
    for name in ("sub", "exp", "scopes"):
        yield (
            f"{name} twice",
            lambda forge, name=name: forge.raw(  # type: ignore[misc]
                forge.header, dumped(forge.claims).replace(b"{", f'{{"{name}": "1", '.encode(), 1)
            ),
        )
    yield "a claim twice, deep inside", lambda forge: forge.with_claims('"scopes": {}', '"scopes": {"a": 1, "a": 2}')
    # Times
    for text in ("1e400", "-1e400", "NaN", "Infinity", "1e12", "9" * 400, "9" * 5000, "-1", "0", "0.5", "true", "{}"):
        yield f"exp {text[:20]}", lambda forge, text=text: forge.exp(text)  # type: ignore[misc]
    for name in ("exp", "nbf", "iat"):
        for kind, value in {
            "a text": "1999999999",
            "a list": [1999999999],
            "null": None,
            "a fraction": 1999999999.5,
            "missing": MISSING,
            "an instant after the year 9999": 1 << 40,
        }.items():
            yield f"{name} {kind}", lambda forge, n=name, v=value: forge.token(**{n: v})  # type: ignore[misc]
    yield "expired a minute ago", lambda forge: forge.token(exp=int(time.time()) - 60)
    yield "not before a minute from now", lambda forge: forge.token(nbf=int(time.time()) + 90)
    yield "issued a minute from now", lambda forge: forge.token(iat=int(time.time()) + 90)
    # Whose it is, and for whom
    for name, value in {
        "of somebody else": "https://evil.example",
        "missing": MISSING,
        "empty": "",
        "null": None,
        "a number": 1,
        "a list": ["http://127.0.0.1"],
        "with a null character": "http://127.0.0.1\0",
    }.items():
        yield f"iss {name}", lambda forge, value=value: forge.token(iss=value)  # type: ignore[misc]
    yield "iss with a slash more", lambda forge: forge.token(iss=forge.issuer + "/")
    yield "iss in a list", lambda forge: forge.token(iss=[forge.issuer])
    for name, value in {
        "of another service": "other",
        "of other services": ["other", "another"],
        "missing": MISSING,
        "empty": "",
        "of nobody": [],
        "null": None,
        "a number": 1,
        "an object": {"stoa": 1},
        "in another case": "Stoa",
        "with more": "stoa ",
        "mixed with what is no text": ["stoa", 1],
    }.items():
        yield f"aud {name}", lambda forge, value=value: forge.token(aud=value)  # type: ignore[misc]
    yield "sub of another person", lambda forge: forge.token(sub=str(forge.other.user_id))
    yield "sub of another person with their family's number", lambda forge: forge.token(sid=str(forge.other.pk))
    for name, value in {"missing": MISSING, "empty": "", "null": None, "a number": 1, "a list": ["1"]}.items():
        yield f"sub {name}", lambda forge, value=value: forge.token(sub=value)  # type: ignore[misc]
        yield f"jti {name}", lambda forge, value=value: forge.token(jti=value)  # type: ignore[misc]
    yield "a jti that is revoked", lambda forge: forge.token(jti=forge.revoked_jti)
    for name, value in {
        "missing": MISSING,
        "a number": 1,
        "of nobody": "999999999",
        "negative": "-1",
        "SQL": "1 OR 1=1",
        "in other digits": "１２",
        "superscript": "²",
        "beyond what the database knows": "9" * 30,
        "empty": "",
    }.items():
        yield f"sid {name}", lambda forge, value=value: forge.token(sid=value)  # type: ignore[misc]
    yield "a family that is revoked", lambda forge: forge.token(sid=str(forge.revoked.pk))
    for name, value in {"refresh": "refresh", "of an ID token": "id", "missing": MISSING, "true": True}.items():
        yield f"token_use {name}", lambda forge, value=value: forge.token(token_use=value)  # type: ignore[misc]


VECTORS: dict[str, Vector] = dict(_vectors())
