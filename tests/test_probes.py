"""The probes in web processes find what they are there for."""

import subprocess
import sys
from pathlib import Path

from gateway_project.env import BASE_DIR
from tests import probes


def probed(directory: Path, *, blocking: bool) -> str:
    """What a web process says that does nothing but, if it is to, sleep on its event loop."""
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
        f"    {'time.sleep(0.05)' if blocking else 'pass'}\n"
        "    await asyncio.sleep(0.1)\n"
        "    await server.shutdown()\n"
        "asyncio.run(live())\n"
    )
    ran = subprocess.run(
        [sys.executable, str(program), str(directory)],
        cwd=BASE_DIR,
        env={"PYTHONPATH": str(probes.HERE)},
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stderr


def test_a_blocking_call_is_told_with_its_place(tmp_path: Path) -> None:
    told = probed(tmp_path, blocking=True)

    assert f"{probes.BLOCKING}: time.sleep" in told
    assert "in live" in told


def test_a_loop_that_blocks_nothing_is_not_accused(tmp_path: Path) -> None:
    assert probed(tmp_path, blocking=False) == ""


def test_the_lag_is_measured_and_read_once(tmp_path: Path) -> None:
    probed(tmp_path, blocking=True)

    lags = probes.Lags().read(tmp_path)

    assert max(lags.late) >= 25  # it slept for 50 ms, some of which the probe would have slept as well
    assert "samples of event loops" in str(lags)
    assert probes.Lags().read(tmp_path).late == []


def test_computing_for_long_is_not_borne() -> None:
    assert probes.Lags(late=[5.0] * 100, held=[5.0] * 100).is_bearable
    assert not probes.Lags(late=[3_000.0], held=[3_000.0]).is_bearable
    assert not probes.Lags(late=[500.0] * 3, held=[500.0] * 3).is_bearable
