"""What it costs to ask who may: a heartbeat with a token against one of the bus's owner, on the same hub."""

from __future__ import annotations

from collections.abc import Iterator

import hallway
from bench.tools import HubProcess, Result, fill, folder, load, loads
from hallway.core.principal import Principal

SESSIONS = 640  # ten to a project
PROJECTS = [f"github.com/acme/p{number}" for number in range(SESSIONS // 10)]
ROUNDS = 9


def all_results() -> Iterator[Result]:
    yield against_the_owner("a token for all projects", None)
    yield against_the_owner(f"a token for {len(PROJECTS)} projects", PROJECTS)


def against_the_owner(name: str, projects: list[str] | None) -> Result:
    """16 connections, in turns with a token and without one."""
    with folder() as home:
        fill(home, SESSIONS, principal=Principal("alice", "agent"))
        with hallway.connect(home) as bus:
            token = bus.tokens.create("alice", projects=projects).token
        with HubProcess(home) as hub:
            rates, _ = loads(
                {
                    "owner": lambda: load(hub, "heartbeat.lua", 16, SESSIONS=SESSIONS),
                    "token": lambda: load(hub, "heartbeat.lua", 16, SESSIONS=SESSIONS, TOKEN=token),
                },
                ROUNDS,
            )
    note = f"{rates['token']:,.0f} against {rates['owner']:,.0f} a second"
    return Result(
        f"heartbeat with {name}, time against one of the bus's owner",
        rates["owner"] / rates["token"],
        1.1,
        at_least=False,
        note=note,
    )
