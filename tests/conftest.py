"""What all tests stand on: a clock that moves when told, a bus in a temporary folder, other processes."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen

import hypothesis
import pytest

import postgres
from hallway.bus.local import LocalBus
from hallway.core.clock import FakeClock
from hallway.local.client_catalog import CATALOG
from support import STORES, Here, start_worker, store_at


def pytest_configure(config: pytest.Config) -> None:
    """Have Ctrl-C mean what it means at a terminal: a parent such as nohup may have it ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # What a test does without a folder of its own is not done in the folder of the person who runs the tests.
    data = tempfile.TemporaryDirectory(prefix="hallway-tests-", ignore_cleanup_errors=True)
    os.environ["XDG_DATA_HOME"] = data.name
    config.add_cleanup(data.cleanup)


SESSION_VARIABLES = {row.session_variable for row in CATALOG.values()} - {""}

# No time limit for one example: on a busy machine any of them may take long.
hypothesis.settings.register_profile("hallway", deadline=None)
hypothesis.settings.load_profile("hallway")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=STORES)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where the test's bus is, which nobody has used: a file, or an empty schema of a real PostgreSQL."""
    address = postgres.new_address(request.param, tmp_path / "bus")
    yield address
    postgres.forget(address)


@pytest.fixture
def database() -> Iterator[str]:
    """An empty schema of a real PostgreSQL."""
    url = postgres.new_bus(postgres.server_url())
    yield url
    postgres.drop_bus(url)


@pytest.fixture
def open_bus(address: str, clock: FakeClock) -> Iterator[Callable[[], LocalBus]]:
    """Opens the test's bus, each time with a connection of its own, as another process would."""
    opened: list[LocalBus] = []
    assert "://" in address or os.path.isabs(address), "a parameter of the test has the name of this fixture: address"

    def open_bus() -> LocalBus:
        opened.append(LocalBus(store_at(address, clock), Here()))
        return opened[-1]

    yield open_bus
    for bus in opened:
        bus.close()


@pytest.fixture
def bus(open_bus: Callable[[], LocalBus]) -> LocalBus:
    return open_bus()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of its own, with nothing of the person's who runs the tests in it."""
    for name in os.environ:
        if name.startswith(("HALLWAY_", "GIT_", "XDG_")) or name in SESSION_VARIABLES:
            monkeypatch.delenv(name)
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("HALLWAY_HOME", str(folder / "hallway"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return folder


@pytest.fixture
def start() -> Iterator[Callable[..., Popen[str]]]:
    """Starts functions of `workers.py` in processes of their own; none outlives its test."""
    started: list[Popen[str]] = []

    def start(function: str, *arguments: object) -> Popen[str]:
        started.append(start_worker(function, *arguments))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()
