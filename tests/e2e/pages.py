"""A page that remembers everything that went wrong in it, and leaves pictures behind."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Error, Page, Request, Response, expect

from gateway_project.env import BASE_DIR
from tests.live import PATIENCE

BROWSING = pytest.mark.timeout(300)  # many steps, each of which may wait
expect.set_options(timeout=PATIENCE * 1000)
ARTEFACTS = Path(os.environ.get("STOA_ARTEFACTS") or BASE_DIR / "var" / "artefacts") / "e2e"
PICTURES = 5
LEFT = "net::ERR_ABORTED"  # requests of a page that was left before they were answered


@dataclass
class Watched:
    """A browser's page at a gateway. `troubles` has whatever its console, its scripts and its requests complained of.

    A violation of the content security policy is a message in the console, and so is among them.
    """

    page: Page
    name: str
    troubles: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: self._note(message.type in ("error", "warning"), message.text))
        self.page.on("pageerror", lambda error: self._note(True, str(error)))
        self.page.on("requestfailed", self._failed)
        self.page.on("response", self._answered)

    def picture(self, step: str, *, whole: bool = False) -> None:
        """Keep what the page looks like, for people; the whole of it, or as much as the window shows.

        Of a page that is just being left, such as one that shows progress, the browser takes none: then of the next.
        """
        for _ in range(PICTURES):
            try:
                self.page.screenshot(path=self.path(step), full_page=whole)
                return
            except Error:
                self.page.wait_for_load_state()
        raise AssertionError(f"No picture could be taken of {self.page.url}")

    def fits(self, step: str, *windows: tuple[Literal["light", "dark"], int]) -> None:
        """The page that is open is no wider than windows of these widths. Keeps a picture of it in each."""
        for scheme, width in windows:
            self.page.emulate_media(color_scheme=scheme)
            self.page.set_viewport_size({"width": width, "height": 900})
            self.picture(f"{step}-{scheme}-{width}", whole=True)
            assert self.page.evaluate("document.documentElement.scrollWidth") <= width, f"{step} is too wide"

    def path(self, step: str) -> Path:
        """Where a picture of this step goes."""
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        return ARTEFACTS / f"{self.name}-{step}.png"

    def _note(self, is_trouble: bool, text: str) -> None:
        if is_trouble:
            self.troubles.append(f"{self.page.url}: {text}")

    def _failed(self, request: Request) -> None:
        self._note(request.failure != LEFT, f"{request.method} {request.url} failed: {request.failure}")

    def _answered(self, response: Response) -> None:
        self._note(response.status >= 400, f"{response.request.method} {response.url} gave {response.status}")


@contextmanager
def watched_page(browser: Browser, *, base_url: str, name: str) -> Iterator[Watched]:
    """A page in a context of its own, with a last picture, whatever happened. It must have had no trouble."""
    context = browser.new_context(base_url=base_url, viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE * 1000)
    watched = Watched(context.new_page(), name)
    try:
        yield watched
    finally:
        watched.picture("end")
        context.close()
    assert not watched.troubles, "\n".join(watched.troubles)
