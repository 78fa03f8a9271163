"""A person whose machine has the clients' configuration, and none of the clients unless a test puts one there."""

from __future__ import annotations

from pathlib import Path

import pytest

from install.machine import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)
