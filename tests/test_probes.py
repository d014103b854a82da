"""The probes in web processes find what they are there for.

That they accuse nobody else is proved by every gateway that the tests stop: its log must not name a blocking call.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway_project.env import BASE_DIR
from tests import probes


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a web process that blocked its event loop left its figures, and `said`, which is what it wrote."""
    directory = tmp_path_factory.mktemp("probed")
    program = directory / "gateway_project.processes.web"
    program.write_text(
        "import uvicorn\n"
        "async def nothing(server, sockets=None): pass\n"
        "uvicorn.Server.startup = uvicorn.Server.shutdown = nothing\n"
        "import armed, asyncio, sys, time\n"
        "armed.arm(sys.argv[1])\n"
        "async def live():\n"
        "    server = uvicorn.Server(uvicorn.Config('nothing'))\n"
        "    await server.startup()\n"
        "    await asyncio.sleep(0.1)\n"
        "    time.sleep(0.05)\n"
        "    await asyncio.sleep(0.1)\n"
        "    await server.shutdown()\n"
        "asyncio.run(live())\n"
    )
    with (directory / "said").open("w") as said:
        subprocess.run(
            [sys.executable, str(program), str(directory)],
            cwd=BASE_DIR,
            env={"PYTHONPATH": str(probes.HERE)},
            stderr=said,
            check=True,
        )
    return directory


def test_a_blocking_call_is_told_with_its_place(directory: Path) -> None:
    told = (directory / "said").read_text()

    assert f"{probes.BLOCKING}: time.sleep" in told
    assert "in live" in told


def test_the_lag_is_measured_and_read_once(directory: Path) -> None:
    lags = probes.Lags().read(directory)

    assert max(lags.late) >= 25  # it slept for 50 ms, some of which the probe would have slept as well
    assert "samples of event loops" in str(lags)
    assert probes.Lags().read(directory).late == []


def test_computing_for_long_is_not_borne() -> None:
    assert probes.Lags(late=[5.0] * 100, held=[5.0] * 100).is_bearable
    assert not probes.Lags(late=[3_000.0], held=[3_000.0]).is_bearable
    assert not probes.Lags(late=[500.0] * 3, held=[500.0] * 3).is_bearable
