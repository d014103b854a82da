"""A gateway for the tests of what it says otherwise when it is configured."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import SECRETS, WITHOUT_CELERY, Gateway, separate_gateway

LISTED = "https://app.example.edu"  # the origin of pages that may read its answers
CEILING = 20  # connections
UNKNOWN = 5  # wrong keys a minute from one address
OWN_SECRETS = {name: secrets.token_urlsafe(48) for name in SECRETS}


@pytest.fixture(scope="session")
def configured(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """In production behind a proxy that takes TLS off, with pages elsewhere, and room for few connections."""
    settings = {
        "GATEWAY_ENV": "production",
        "TRUSTED_PROXIES": "127.0.0.1",
        "UNKNOWN_REQUESTS_PER_MINUTE": str(UNKNOWN),
        "CORS_ALLOWED_ORIGINS": f"{LISTED},http://localhost:3000",
        "MAX_CLIENT_CONNECTIONS": str(CEILING),
        **OWN_SECRETS,
    }
    with separate_gateway(pristine, tmp_path_factory.mktemp("configured"), **settings, **WITHOUT_CELERY) as gateway:
        yield gateway
