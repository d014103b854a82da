"""A gateway for the tests of what it says otherwise when it is configured."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import WITHOUT_CELERY, Gateway, separate_gateway

LISTED = "https://app.example.edu"  # the origin of pages that may read its answers
CEILING = 20  # connections


@pytest.fixture(scope="session")
def configured(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """In production behind a proxy that takes TLS off, with pages elsewhere, and room for few connections."""
    settings = {
        "GATEWAY_ENV": "production",
        "TRUSTED_PROXIES": "127.0.0.1",
        "CORS_ALLOWED_ORIGINS": f"{LISTED},http://localhost:3000",
        "MAX_CLIENT_CONNECTIONS": str(CEILING),
        **dict.fromkeys(("DJANGO_SECRET_KEY", "GATEWAY_KEY_PEPPER", "GATEWAY_SECRET_KEYS"), "0" * 50),
    }
    with separate_gateway(pristine, tmp_path_factory.mktemp("configured"), **settings, **WITHOUT_CELERY) as gateway:
        yield gateway
