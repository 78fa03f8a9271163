"""The clock of the buses that `hallway top` shows: it is what it was at the beginning of the scene."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from attention_scene import BEGAN_MIN
from cli.person import Person
from hallway.core.clock import SECOND, FakeClock

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(time.time_ns() // 1000 - BEGAN_MIN * 60 * SECOND)


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path / "home")
