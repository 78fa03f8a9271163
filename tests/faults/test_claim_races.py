"""C1 while many processes race: never two holders of one file, numbers that only rise, and everybody's turn comes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hallway.bus.local import LocalBus
from support import all_events, answer_of, start_together, start_worker
from test_globs import is_match
from workers import CLAIMED_FILES


def judge(events: list[Any]) -> dict[str, int]:
    """Follow a bus's record of claims and fail where it breaks C1; return how many events of each kind there were."""
    held: dict[str, Any] = {}
    queue: dict[str, Any] = {}
    last_fence, counts = 0, dict[str, int]()
    for event in events:
        if not event.kind.startswith("claim."):
            continue
        counts[event.kind] = counts.get(event.kind, 0) + 1
        claim_id = event.data.get("claim_id")
        if event.kind == "claim.queued":
            queue[claim_id] = event
        elif event.kind == "claim.granted":
            assert event.data["fence"] > last_fence
            last_fence = event.data["fence"]
            assert [each.data for each in held.values() if is_rival(each, event)] == []
            queue.pop(claim_id, None)
            held[claim_id] = event
        elif event.kind in ("claim.released", "claim.expired"):
            assert held.pop(claim_id, None) or queue.pop(claim_id, None), "a claim ended twice"
    assert held == {}
    assert queue == {}
    return counts


def is_rival(one: Any, two: Any) -> bool:
    if one.session_id == two.session_id or {one.data["mode"], two.data["mode"]} == {"shared"}:
        return False
    return any(
        any(is_match(glob, file) for glob in one.data["paths"])
        and any(is_match(glob, file) for glob in two.data["paths"])
        for file in CLAIMED_FILES
    )


def race(open_bus: Callable[[], LocalBus], address: str, tmp_path: Path, count: int, rounds: int) -> None:
    bus, marks = open_bus(), tmp_path / "marks"
    bus.sessions.register("first", "first", "codex")
    marks.mkdir()
    workers = [start_worker("race_for_claims", address, f"worker-{number}", rounds, marks) for number in range(count)]
    start_together(workers)
    answers = [json.loads(answer_of(worker)) for worker in workers]
    counts = judge(all_events(bus))
    assert sum(granted for granted, _ in answers) == counts["claim.granted"] == counts["claim.released"]
    assert counts["claim.queued"] > 0
    assert all(granted for granted, _ in answers)


@pytest.mark.promise("C1")
def test_processes_that_race_never_hold_one_file_together(
    open_bus: Callable[[], LocalBus], address: str, tmp_path: Path
) -> None:
    race(open_bus, address, tmp_path, count=6, rounds=10)


@pytest.mark.slow
@pytest.mark.promise("C1")
def test_thirty_two_processes_race(open_bus: Callable[[], LocalBus], address: str, tmp_path: Path) -> None:
    race(open_bus, address, tmp_path, count=32, rounds=15)


@pytest.mark.promise("C1")
def test_the_claims_of_killed_holders_go_on_to_who_waits(
    open_bus: Callable[[], LocalBus], address: str, tmp_path: Path
) -> None:
    bus, marks = open_bus(), tmp_path / "marks"
    bus.sessions.register("first", "first", "codex")
    bus.claims.claim("first", ["**"])
    marks.mkdir()
    workers = [start_worker("race_for_claims", address, f"worker-{number}", 400, marks) for number in range(4)]
    start_together(workers)
    for number, worker in enumerate(workers):
        worker.kill()
        worker.communicate()
        bus.sessions.end(f"worker-{number}", "process gone")
    bus.sessions.end("first", "process gone")
    assert bus.claims.list_claims() == []
    judge(all_events(bus))
    bus.sessions.register("last", "last", "codex")
    assert bus.claims.claim("last", ["**"]).state == "granted"
