"""A hub that runs while a file's tests run, and one for tests that stop it, break it or fill it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hub.client import Client
from hub.process import HubProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """One hub for all tests of a file: each uses sessions of its own."""
    with HubProcess(tmp_path_factory.mktemp("shared") / "hallway") as hub:
        yield hub


@pytest.fixture
def client(hub: HubProcess) -> Iterator[Client]:
    with Client(hub.port) as client:
        yield client


@pytest.fixture
def start_hub(tmp_path: Path) -> Iterator[Callable[..., HubProcess]]:
    """Starts hubs of the test's own on one bus; what they logged must hold no error."""
    started: list[HubProcess] = []

    def start_hub(*options: str, **rest: Any) -> HubProcess:
        started.append(HubProcess(tmp_path / "hallway", *options, **rest))
        return started[-1]

    yield start_hub
    for hub in started:
        hub.__exit__(None)
