"""axe-core finds nothing to complain of on the main pages, in light, in dark and on a phone."""

from typing import Literal

import pytest

from tests.e2e.conftest import Installation
from tests.e2e.pages import BROWSING, Watched
from tests.e2e.steps import sign_in

axe = pytest.importorskip("axe_playwright_python.sync_playwright")
pytestmark = BROWSING
WINDOWS: tuple[tuple[Literal["light", "dark"], int], ...] = (("light", 1440), ("dark", 1440), ("light", 390))
PAGES = (
    "/admin/",
    *(f"/admin/c/demo/{page}" for page in ("", "students/", "rules/", "conversations/", "allowance/", "settings/")),
    "/admin/preferences/",
    "/admin/help/rules/",
    "/admin/conversations/call/",
    "/admin/accounts/membership/add/",
    "/admin/providers/model/1/change/",
    "/admin/accounts/auditentry/",
)


def test_everybody_can_use_the_main_pages(installation: Installation, watched: Watched) -> None:
    sign_in(watched, installation.demo["admin"])

    wrong = [problem for address in PAGES for problem in problems(watched, address)]

    assert wrong == []


def problems(watched: Watched, address: str) -> list[str]:
    found = []
    for scheme, width in WINDOWS:
        watched.page.emulate_media(color_scheme=scheme)
        watched.page.set_viewport_size({"width": width, "height": 900})
        watched.page.goto(address, wait_until="load")
        found += [f"{address} {scheme} {width}: {complaint}" for complaint in complaints(watched)]
    return found


def complaints(watched: Watched) -> list[str]:
    """What axe says of the page that is open."""
    found = []
    for violation in axe.Axe().run(watched.page).response["violations"]:
        places = "; ".join(node["html"][:160] for node in violation["nodes"][:3])
        found.append(f"{violation['id']}: {places}")
    return found
