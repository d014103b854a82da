"""A gateway as `make run` starts it for the first time, and a browser that looks at it.

Nothing here touches the database: the people and keys are those of the demo. Playwright marks its event loop as running
between calls, so it ends with this package: tests that bring a loop of their own could not follow in this process.
"""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from playwright.sync_api import Browser, sync_playwright

from tests.e2e import browser as browsers
from tests.e2e.pages import Watched, watched_page
from tests.live import Gateway, start_gateway


@dataclass(frozen=True)
class Installation:
    """A gateway of a first run, and what its `demo.json` says."""

    gateway: Gateway
    demo: dict[str, Any]

    def student(self) -> OpenAI:
        """What a student uses."""
        return OpenAI(base_url=f"{self.gateway.base_url}/v1", api_key=self.demo["student_key"], max_retries=0)


@pytest.fixture(scope="package")
def executable() -> Path:
    executable = browsers.find()
    if executable is None:
        pytest.skip(browsers.REMEDY)
    return executable


@pytest.fixture(scope="package")
def installation(executable: Path, fresh_data_dir: Path) -> Iterator[Installation]:
    with start_gateway(fresh_data_dir) as gateway:
        yield Installation(gateway, json.loads((fresh_data_dir / "demo.json").read_text()))
        gateway.stop()


@pytest.fixture(scope="package")
def fresh_data_dir(before_first_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(before_first_run, tmp_path_factory.mktemp("e2e") / "data"))


@pytest.fixture(scope="package")
def browser(executable: Path, installation: Installation) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture
def watched(browser: Browser, installation: Installation, request: pytest.FixtureRequest) -> Iterator[Watched]:
    name = re.sub(r"\W+", "-", request.node.name.removeprefix("test_")).strip("-")
    with watched_page(browser, base_url=installation.gateway.base_url, name=name) as watched:
        yield watched
