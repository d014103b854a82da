"""A real OpenID Connect provider in a process of its own, which misbehaves on request."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from gateway_project.env import BASE_DIR

CLIENT, SECRET = "stoa", "a client secret of the tests"


@dataclass(frozen=True)
class OidcProvider:
    """`url` is its issuer. What it is told holds until `reset`."""

    port: int
    client: httpx.Client  # one for all, since each new one costs more than a request

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def tell(self, **commands: Any) -> dict[str, Any]:
        answer = self.client.post(f"{self.url}/control/", json=commands)
        assert answer.status_code == 200, answer.text[:500]
        told: dict[str, Any] = answer.json()
        return told

    def reset(self) -> None:
        self.tell(reset=True)

    def register(self, *redirect_uris: str) -> None:
        """Stoa, under the client id and the secret of this module."""
        self.tell(client={"id": CLIENT, "secret": SECRET, "redirect_uris": list(redirect_uris)})

    def person(self, username: str, **claims: Any) -> None:
        """What it says about somebody from now on. `password`, if there is one, is for browsers."""
        self.tell(person={"username": username, **claims})

    def quirks(self, **quirks: Any) -> None:
        self.tell(quirks=quirks)

    def rotate(self) -> None:
        """Sign with a new key, and publish it alone."""
        self.tell(rotate=True)

    def served(self, page: str) -> int:
        """How often the last part of an address was asked for."""
        return int(self.tell()["served"].get(page, 0))

    def answer_to(self, authorize_url: str, username: str) -> str:
        """Where the provider sends somebody back to whom Stoa sent there, and who is signed in there already."""
        answer = self.client.get(authorize_url, headers={"Cookie": f"as={username}"})
        assert answer.status_code == 302, answer.text[:2000]
        return answer.headers["location"]


@contextmanager
def oidc_provider(directory: Path) -> Iterator[OidcProvider]:
    command = [sys.executable, "-m", "tests.oidc_provider", str(directory)]
    with (directory / "provider.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=BASE_DIR, stdout=subprocess.PIPE, stderr=log)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, (directory / "provider.log").read_text()
            with httpx.Client(timeout=20) as client:
                yield OidcProvider(int(line), client)
        finally:
            process.terminate()
            process.wait(20)
            assert process.stdout is not None
            process.stdout.close()
