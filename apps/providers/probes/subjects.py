"""Which providers to ask, with which credentials, as rows say."""

import hashlib
from collections.abc import Iterator
from typing import Any

from django.db.models import Prefetch, QuerySet

from apps.common.encryption import CannotDecrypt
from apps.providers.models import Credential, Deployment, Provider
from apps.providers.probes.asking import Subject
from apps.providers.probes.findings import Finding
from apps.providers.validation import is_key

NO_SECRET = Finding(trouble="secret", sentence="No secret has been entered yet.")
CANNOT_DECRYPT = Finding(
    trouble="secret",
    sentence="The stored secret does not open with the keys in GATEWAY_SECRET_KEYS. Enter it again, or add its key.",
)

NO_KEY = Finding(
    trouble="secret",
    sentence="The stored secret holds a space or a character that no provider's key contains. Enter it again.",
)


def probed() -> "QuerySet[Provider]":
    """Providers with health checks. Of the others only calls tell."""
    return Provider.objects.filter(is_enabled=True).exclude(adapter=Provider.Adapter.ECHO).exclude(probe_path="off")


def subjects_of(providers: "QuerySet[Provider]") -> list[Subject]:
    """One subject for each enabled credential; one for a provider that has no credential at all."""
    credentials = Prefetch("credentials", Credential.objects.filter(is_enabled=True), to_attr="usable")
    deployments = Prefetch("deployments", Deployment.objects.filter(is_enabled=True), to_attr="offered")
    rows = providers.order_by("name").prefetch_related(credentials, deployments)
    return [subject for provider in rows for subject in _of(provider)]


def _of(provider: Any) -> Iterator[Subject]:
    for credential in provider.usable:
        secret, hindrance = _opened(credential)
        yield _subject(provider, credential, secret, hindrance)
    if not provider.usable:
        yield _subject(provider, None, "", None)


def _opened(credential: Credential) -> tuple[str, Finding | None]:
    if not credential.ciphertext:
        return "", NO_SECRET
    try:
        secret = credential.secret()
    except CannotDecrypt:
        return "", CANNOT_DECRYPT
    return (secret, None) if is_key(secret) else ("", NO_KEY)


def _subject(provider: Any, credential: Credential | None, secret: str, hindrance: Finding | None) -> Subject:
    models = tuple(sorted({deployment.upstream_model for deployment in provider.offered}))
    path = "" if provider.probe_path == "off" else provider.probe_path
    parts = (provider.base_url, path, provider.allow_private_network, sorted(provider.extra_headers.items()), models)
    sealed = credential.ciphertext if credential is not None else ""
    return Subject(
        provider_id=provider.pk,
        provider=provider.name,
        credential_id=credential.pk if credential is not None else None,
        label=credential.label if credential is not None else "",
        base_url=provider.base_url,
        path=path,
        allow_private=provider.allow_private_network,
        headers=_headers(provider.extra_headers, secret),
        secret=secret,
        upstream_models=models,
        hindrance=hindrance,
        fingerprint=hashlib.blake2b(repr((*parts, sealed)).encode(), digest_size=16).hexdigest(),
    )


def _headers(extra: dict[str, str], secret: str) -> dict[str, str]:
    own = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "stoa"}
    authorization = {"authorization": f"Bearer {secret}"} if secret else {}
    return own | {name.lower(): value for name, value in extra.items()} | authorization
