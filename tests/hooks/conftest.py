"""A person's home with a repository in it, and a bus that the hooks of clients find."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import hallway
from hallway.bus.local import LocalBus
from hooks.client import NAMES, Client

SHOP = "github.com/acme/shop"


@pytest.fixture
def directory(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository that the sessions work in."""
    for name in ("CLAUDECODE", "CLAUDE_CODE_SESSION_ID", "CLAUDE_PID"):
        monkeypatch.delenv(name, raising=False)
    git = home / "shop" / ".git"
    for name in ("objects", "refs/heads"):
        (git / name).mkdir(parents=True)
    (git / "config").write_text(f'[remote "origin"]\n\turl = https://{SHOP}.git\n')
    (git / "HEAD").write_text("ref: refs/heads/cart\n")
    return git.parent


@pytest.fixture
def shop(home: Path, directory: Path) -> Iterator[LocalBus]:
    """The bus of the person."""
    with hallway.connect(project=SHOP) as bus:
        assert isinstance(bus, LocalBus)
        yield bus


@pytest.fixture
def start_client(directory: Path) -> Callable[..., Client]:
    return lambda kind="claude-code", session_id="0c7f": Client(kind, directory, session_id)


@pytest.fixture(params=NAMES)
def client(request: pytest.FixtureRequest, directory: Path) -> Client:
    """A session of each kind of client."""
    return Client(request.param, directory)
