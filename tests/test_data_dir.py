"""The data directory: whoever made it, nobody but its owner reads what is in it."""

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_project import data_dir
from gateway_project.data_dir import make_data_dir
from tests.live import manage


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """That of most shells; a process of Stoa sets its own."""
    found = os.umask(0o022)
    yield
    os.umask(found)


def modes(directory: Path) -> dict[str, int]:
    return {str(one.relative_to(directory)): stat.S_IMODE(one.lstat().st_mode) for one in directory.rglob("*")}


def loose(path: Path) -> Path:
    """A directory as a shell, an image or a package makes it, with what an earlier version left in it."""
    (path / "spool").mkdir(parents=True)
    for name in ("stoa.sqlite3", "stoa.sqlite3-wal", "stoa.sqlite3-shm", "spool/a.sqlite3", "celerybeat-schedule.db"):
        (path / name).touch()
    return path


def test_a_first_run_makes_files_that_only_their_owner_reads(tmp_path: Path) -> None:
    place = tmp_path / "made"
    place.mkdir(mode=0o755)
    place.chmod(0o755)

    migrated = _under_usual_umask("migrate", "--verbosity", "0", data_dir=place)

    assert migrated.returncode == 0, migrated.stderr
    assert {"stoa.sqlite3", "secrets.json"} <= set(modes(place))
    assert not [name for name, mode in modes(place).items() if mode & 0o077], modes(place)
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


def _under_usual_umask(*arguments: str, data_dir: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    assert os.umask(0o022) == 0o022
    return manage(*arguments, data_dir=data_dir, **environment)


def test_what_an_earlier_version_left_open_is_closed_at_the_next_start(tmp_path: Path) -> None:
    place = loose(tmp_path / "var")

    make_data_dir(place, is_production=False)

    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert set(modes(place).values()) == {0o600, 0o700}


def test_what_others_put_there_stays_as_it_is(tmp_path: Path) -> None:
    place = loose(tmp_path / "home")
    (place / "thesis.txt").touch()
    (tmp_path / "elsewhere").touch()
    (place / "demo.json").symlink_to(tmp_path / "elsewhere")

    make_data_dir(place, is_production=False)

    left = modes(place)
    assert (left.pop("thesis.txt"), left.pop("demo.json")) == (0o644, 0o777)
    assert stat.S_IMODE((tmp_path / "elsewhere").stat().st_mode) == 0o644
    assert stat.S_IMODE(place.stat().st_mode) == 0o755
    assert set(left.values()) == {0o600, 0o700}


def test_files_of_another_user_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = loose(tmp_path / "var")
    monkeypatch.setattr(data_dir.os, "geteuid", lambda: os.getuid() + 1)

    make_data_dir(place, is_production=False)

    assert modes(place)["stoa.sqlite3"] == 0o644


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o711, 0o701, 0o770])
def test_production_does_not_start_where_others_may_look(tmp_path: Path, mode: int) -> None:
    place = loose(tmp_path / "var")
    place.chmod(mode)

    with pytest.raises(SystemExit) as refused:
        make_data_dir(place, is_production=True)

    assert f"chmod 700 {place}" in str(refused.value)
    assert stat.S_IMODE(place.stat().st_mode) == mode


def test_production_starts_in_a_directory_that_it_makes_or_that_is_private(tmp_path: Path) -> None:
    private = loose(tmp_path / "private")
    private.chmod(0o700)

    for place in (tmp_path / "new" / "var", private):
        make_data_dir(place, is_production=True)

    assert not [mode for mode in modes(tmp_path).values() if mode & 0o077]


def test_development_warns_of_a_directory_that_it_may_not_close(tmp_path: Path) -> None:
    place = tmp_path / "home"
    place.mkdir()
    (place / "thesis.txt").touch()

    checked = _under_usual_umask("check", "--tag", "stoa", data_dir=place)

    assert "stoa.W003" in checked.stderr
    assert f"chmod 700 {place}" in checked.stderr
