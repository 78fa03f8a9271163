"""C1 while many processes race: never two holders of one file, numbers that only rise, and everybody's turn comes."""

from __future__ import annotations

import json
import random
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hallway.bus.local import LocalBus
from hallway.core import errors
from hallway.core.clock import FakeClock
from hallway.local import presence
from postgres import ON_A_FILE
from support import PATIENCE_S, Here, all_events, answer_of, start_together, start_worker, store_at, until
from test_globs import is_match
from workers import CLAIMED_FILES, CLAIMED_GLOBS


def judge(events: list[Any]) -> dict[str, int]:
    """Follow a bus's record of claims and fail where it breaks C1; return how many events of each kind there were.

    At no moment are there two rivals, the numbers of grants rise, and nobody is granted before who asked earlier.
    """
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
            asked_at = queue.pop(claim_id, event).seq
            overtaken = [each.data for each in queue.values() if each.seq < asked_at and is_rival(each, event)]
            assert overtaken == [], "a claim was granted before one that was asked for earlier"
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


@ON_A_FILE
@pytest.mark.promise("C1", "S13")
def test_a_claim_goes_on_when_its_holders_process_is_killed(
    open_bus: Callable[[], LocalBus], address: str, tmp_path: Path
) -> None:
    """Nobody ends the session: its process, which a hook had bound, is not there any more."""
    bus = open_bus()
    bus.sessions.register("last", "last", "codex", ttl_s=86_400)
    holder = start_worker("hold_a_claim", address, "holder", 86_400)
    try:
        fence = int(holder.stdout.readline())
        presence.bind(bus.folder, "holder", holder.pid)
        waiting = bus.claims.claim("last", ["src/a.py"], queue_s=3600)
        assert waiting.state == "waiting"
        holder.send_signal(signal.SIGSTOP)  # frozen, it is there, and holds what it holds
        bus.sessions.heartbeat("last")
        assert bus.claims.get(waiting.claim_id).state == "waiting"
    finally:
        holder.kill()
        holder.communicate(timeout=PATIENCE_S)
    until(lambda: bus.sessions.heartbeat("last") and bus.claims.get(waiting.claim_id).state == "granted")
    assert bus.claims.get(waiting.claim_id).fence > fence
    bus.sessions.end("last")
    judge(all_events(bus))


@pytest.mark.slow
@pytest.mark.promise("C1")
def test_a_frozen_holder_finds_that_its_claim_has_ended(
    open_bus: Callable[[], LocalBus], address: str, tmp_path: Path
) -> None:
    """It believes that it holds the claim; its number is lower than the next one's, by which a resource knows."""
    holder = start_worker("hold_a_claim", address, "holder", 10)
    try:
        fence = int(holder.stdout.readline())
        holder.send_signal(signal.SIGSTOP)
        with LocalBus(store_at(address), Here()) as bus:
            bus.sessions.register("next", "next", "codex", ttl_s=86_400)
            claim = bus.claims.claim_when_free("next", ["src/**"], wait_s=PATIENCE_S)
            assert claim.fence > fence
            holder.send_signal(signal.SIGCONT)
            said, _ = holder.communicate("go\n", timeout=PATIENCE_S)
            assert said.splitlines() == ["ClaimNotFound", "False"]
            assert bus.claims.get(claim.claim_id).session_id == "next"
            bus.sessions.end("next")
            judge(all_events(bus))
    finally:
        holder.kill()
        holder.communicate(timeout=PATIENCE_S)


@pytest.mark.promise("C1")
def test_a_clock_that_jumps_breaks_no_claim(open_bus: Callable[[], LocalBus], clock: FakeClock) -> None:
    choice = random.Random(1)
    buses = [open_bus(), open_bus()]
    names = [f"s{number}" for number in range(6)]
    for _ in range(150):
        bus, name = choice.choice(buses), choice.choice(names)
        clock.advance(choice.choice((1, 1, 1, 40, -40, 7200, -7200)))
        bus.sessions.register(name, name, "codex", ttl_s=86_400)
        try:
            bus.claims.claim(name, choice.sample(CLAIMED_GLOBS, 1), ttl_s=60, queue_s=choice.choice((0, 30)))
        except errors.ClaimRefused:
            pass
        if choice.random() < 0.3:
            for each in bus.claims.list_claims(session_id=name):
                bus.claims.release(name, each.claim_id)
    clock.advance(86_400)
    buses[0].sessions.register("last", "last", "codex")
    counts = judge(all_events(buses[0]))
    assert counts["claim.granted"] > 20
    assert counts["claim.expired"] > 5


@pytest.mark.promise("C1")
def test_an_exclusive_claim_that_waits_is_not_starved_by_shared_ones(
    open_bus: Callable[[], LocalBus], address: str
) -> None:
    """Readers come and go without pause, so that there is hardly a moment without one."""
    bus = open_bus()
    stopped = threading.Event()

    def reads(name: str) -> None:
        with LocalBus(store_at(address), Here()) as own:
            own.sessions.register(name, name, "codex", ttl_s=86_400)
            while not stopped.is_set():
                try:
                    claim = own.claims.claim_when_free(name, ["src/**"], mode="shared", wait_s=PATIENCE_S)
                except errors.ClaimRefused:
                    continue
                stopped.wait(0.01)  # longer than the others need to come
                own.claims.release(name, claim.claim_id)
            own.sessions.end(name)

    readers = [threading.Thread(target=reads, args=[f"reader-{number}"]) for number in range(4)]
    for reader in readers:
        reader.start()
    try:
        with LocalBus(store_at(address), Here()) as own:
            own.sessions.register("writer", "writer", "codex", ttl_s=86_400)
            until(lambda: len(own.claims.list_claims()) >= 2)
            for _ in range(3):
                claim = own.claims.claim_when_free("writer", ["src/a.py"], wait_s=PATIENCE_S)
                own.claims.release("writer", claim.claim_id)
    finally:
        stopped.set()
        for reader in readers:
            reader.join(PATIENCE_S)
    counts = judge(all_events(bus))
    assert counts["claim.queued"] >= 3
