"""The tests with real programs run under `make agents`, which installs them and cuts the tests off from the network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.machine import Machine
from agents.npm import is_installed
from agents.programs import ALL, Program

WANTED = os.environ.get("HALLWAY_TEST_AGENTS", "").split()
if not WANTED:
    collect_ignore_glob = ["test_*.py"]  # under `make test`: they are not asked for


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "program" in metafunc.fixturenames:
        metafunc.parametrize("program", [ALL[name] for name in WANTED], ids=WANTED)


def needs(name: str) -> Program:
    """A program that a test is about; the test is left out where it was not asked for."""
    if name not in WANTED:
        pytest.skip(f"{name} was not asked for: make agents CLIENTS='{' '.join([*WANTED, name])}'")
    assert is_installed(name, ALL[name].package), f"{name} is not installed: make agents"
    return ALL[name]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    machine.close()
