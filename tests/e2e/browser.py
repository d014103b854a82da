"""A browser for the tests: found where one usually is, or installed where that is easily done.

`python -m tests.e2e.browser` (`make browser`) says which one the tests use. If there is none, it installs one with apt
where it may, and otherwise says how to get one.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "STOA_BROWSER"
NAMES = ("chromium", "chromium-browser", "chromium-headless-shell", "google-chrome", "google-chrome-stable")
PACKAGE = "chromium-headless-shell"  # 96 MB; chromium, with a window that nobody sees, takes 113
REMEDY = (
    f"No Chromium was found, so the browser tests are skipped. On Debian: apt-get install {PACKAGE}; elsewhere: "
    f".venv/bin/playwright install chromium-headless-shell; or name an executable in {VARIABLE}."
)


def find() -> Path | None:
    """The browser that the environment names, one on the path, or one that Playwright downloaded."""
    return next(_candidates(), None)


def _candidates() -> Iterator[Path]:
    named = os.environ.get(VARIABLE)
    if named:
        if not os.access(named, os.X_OK):
            raise FileNotFoundError(f"{VARIABLE} is {named}, which cannot be executed.")
        yield Path(named)
    yield from (Path(path) for name in NAMES if (path := shutil.which(name)))
    yield from _downloaded()


def _downloaded() -> Iterator[Path]:
    directory = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    for name in ("headless_shell", "chrome-headless-shell", "chrome"):
        yield from sorted(directory.glob(f"chromium*/*/{name}"), reverse=True)


def install() -> bool:
    """Install one with apt, where that needs no question; whether that succeeded."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    print(f"Installing {PACKAGE} for the browser tests.", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    commands = (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "--no-install-recommends", PACKAGE])
    return all(_runs(command, environment) for command in commands)


def _runs(command: list[str], environment: dict[str, str]) -> bool:
    done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr.decode(errors="replace"))
    return done.returncode == 0


def main() -> None:
    """Ends well in any case: without a browser the other tests run all the same."""
    if find() is None:
        install()
    print(find() or REMEDY)


if __name__ == "__main__":
    main()
