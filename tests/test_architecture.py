"""Imports point down, as the contracts in pyproject.toml say."""

import pytest
from importlinter.api import read_configuration
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

from gateway_project.env import BASE_DIR

CONFIGURATION = str(BASE_DIR / "pyproject.toml")
CONTRACTS = [contract["name"] for contract in read_configuration(CONFIGURATION)["contracts_options"]]


def test_there_are_contracts() -> None:
    assert "Imports point down" in CONTRACTS


def test_the_contracts_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    status = lint_imports(config_filename=CONFIGURATION, no_cache=True, no_logo=True)

    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out
