"""A hub that demands tokens, and the tokens it knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from hub.client import Client
from hub.conftest import start_hub
from hub.process import HubProcess
from support import open_store
from trust.world import BANK, SHOP

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["guarded", "start_hub"]


class Guarded(NamedTuple):
    """A hub and, by their names, tokens for it."""

    hub: HubProcess
    tokens: dict[str, str]

    def client(self, name: str | None) -> Client:
        return Client(self.hub.port, token=None if name is None else self.tokens[name])


def make_tokens(home: Path) -> dict[str, str]:
    """Alice, bob and olive (who observes) are for the shop, carol is for the bank, root is an admin."""
    home.mkdir(parents=True, exist_ok=True)
    with open_store(str(home / "bus.db")) as bus:
        made = [
            bus.tokens.create(name, role, projects)
            for name, role, projects in (
                ("alice", "agent", [SHOP]),
                ("bob", "agent", [SHOP]),
                ("carol", "agent", [BANK]),
                ("olive", "observer", [SHOP]),
                ("root", "admin", None),
                ("wide", "agent", None),
            )
        ]
    return {each.name: each.token for each in made}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    home = tmp_path_factory.mktemp("guarded") / "hallway"
    tokens = make_tokens(home)
    # Refusals are written down once a minute; these tests look for them sooner.
    with HubProcess(home, "--require-tokens", constants={"hallway.hub.auth.audit.EVERY_S": 0.5}) as hub:
        yield Guarded(hub, tokens)
