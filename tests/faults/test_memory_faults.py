"""The shared memory where many write at once, die in mid-write or run out of disk."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen

import pytest

from hallway.bus.local import LocalBus
from hallway.core import errors
from hallway.services import memory
from hallway.store.sqlite import SQLiteStore
from support import Here, answer_of, start_together

Start = Callable[..., "Popen[str]"]
PROCESSES, SETS = 32, 200


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "bus" / "bus.db")


@pytest.fixture
def bus(path: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalBus]:
    """A bus with all writers registered, that keeps every version."""
    monkeypatch.setenv("HALLWAY_MEMORY_VERSIONS", "100000")
    with LocalBus(SQLiteStore(path, busy_timeout_s=30), Here()) as bus:
        for number in range(PROCESSES):
            bus.sessions.register(f"w{number}", "agent", "codex")
        yield bus


def history(bus: LocalBus, key: str) -> list[int]:
    versions: list[int] = []
    while page := bus.memory.get_all(key, limit=1000, before_version=versions[-1] if versions else None):
        versions += [entry.version for entry in page]
    return versions[::-1]


def indexed(bus: LocalBus) -> set[int]:
    return {row for (row,) in bus.store._connection.execute("SELECT rowid FROM memory_index")}


def newest(bus: LocalBus) -> set[int]:
    return {row for (row,) in bus.store._connection.execute("SELECT entry FROM memory_keys WHERE entry IS NOT NULL")}


@pytest.mark.slow
@pytest.mark.promise("R1")
def test_many_processes_overwrite_nothing_of_each_others(bus: LocalBus, path: str, start: Start) -> None:
    workers = [start("remember", path, f"w{number}", SETS) for number in range(PROCESSES)]
    start_together(workers)
    given = [version for worker in workers for version in json.loads(answer_of(worker))]
    assert sorted(given) == list(range(1, PROCESSES * SETS + 1))
    assert history(bus, "common") == list(range(1, PROCESSES * SETS + 1))
    for number in range(PROCESSES):
        assert history(bus, f"of/w{number}") == list(range(1, SETS + 1))
        assert bus.memory.get(f"of/w{number}") == SETS - 1
    assert bus.memory.get_stats().total == PROCESSES + 1
    assert indexed(bus) == newest(bus)
    assert [each.version for each in bus.memory.find("race")] == [PROCESSES * SETS]


@pytest.mark.slow
@pytest.mark.promise("R1")
def test_each_version_has_one_winner_and_losers_see_the_current_entry(bus: LocalBus, path: str, start: Start) -> None:
    workers = [start("compare_and_set", path, f"w{number}", 400) for number in range(8)]
    start_together(workers)
    answers = [json.loads(answer_of(worker)) for worker in workers]
    won = sorted(version for answer in answers for version in answer["won"])
    assert won == list(range(1, len(won) + 1))
    assert len(won) >= 400
    assert sum(answer["lost"] for answer in answers) > 0
    assert history(bus, "race") == won


@pytest.mark.slow
@pytest.mark.promise("R1")
def test_what_was_acknowledged_survives_a_kill_in_mid_write(bus: LocalBus, path: str, start: Start) -> None:
    workers = [start("remember_aloud", path, f"w{number}") for number in range(4)]
    start_together(workers)
    acknowledged: dict[str, set[int]] = defaultdict(set)
    for worker in workers:
        assert worker.stdout is not None
        for _ in range(50):
            key, _, version = worker.stdout.readline().partition(" ")
            acknowledged[key].add(int(version))
    for worker in workers:
        worker.kill()
    for worker in workers:
        output, _ = worker.communicate()
        for line in output.splitlines(keepends=True):
            if line.endswith("\n"):
                key, _, version = line.partition(" ")
                acknowledged[key].add(int(version))
    for key, versions in acknowledged.items():
        kept = history(bus, key)
        assert kept == list(range(1, len(kept) + 1))
        assert versions <= set(kept)
    assert indexed(bus) == newest(bus)
    assert len(bus.memory.find("wordw0 wordw1 wordw2 wordw3 nowhere", limit=100)) == len(acknowledged)
    assert bus.store._connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.promise("R1")
def test_a_set_that_fails_leaves_nothing(bus: LocalBus, monkeypatch: pytest.MonkeyPatch) -> None:
    bus.memory.set("w0", "k", "the token")

    def fail(*_: object) -> None:
        raise errors.DiskFull("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(memory.SharedMemory, "_index", fail)
        with pytest.raises(errors.DiskFull):
            bus.memory.set("w0", "k", "a cookie")
        with pytest.raises(errors.DiskFull):
            bus.memory.set("w0", "another", "a cookie")
    assert [entry.value for entry in bus.memory.get_all("k")] == ["the token"]
    assert bus.memory.set("w0", "k", "a cookie").version == 2
    assert [each.key for each in bus.memory.find("cookie")] == ["k"]
    assert indexed(bus) == newest(bus)


def test_a_full_disk_is_an_error_that_says_so_and_loses_nothing(bus: LocalBus) -> None:
    bus.memory.set("w0", "k", "before")
    (pages,) = bus.store._connection.execute("PRAGMA page_count").fetchall()[0]
    bus.store._connection.execute(f"PRAGMA max_page_count = {pages + 2}").fetchall()
    with pytest.raises(errors.DiskFull):
        bus.memory.set("w0", "large", "x" * 100_000)
    bus.store._connection.execute("PRAGMA max_page_count = 1000000").fetchall()
    assert bus.memory.get("k") == "before"
    bus.memory.set("w0", "k", "after")
    assert indexed(bus) == newest(bus)


def test_a_reader_in_another_process_sees_a_whole_change_or_none(bus: LocalBus, path: str) -> None:
    with LocalBus(SQLiteStore(path), Here()) as reader:
        bus.memory.set("w0", "k", "the token")
        with bus.transaction():
            bus.memory.set("w0", "k", "a cookie")
            assert reader.memory.get_entry("k").version == 1
            assert [each.version for each in reader.memory.find("token")] == [1]
            assert reader.memory.find("cookie") == []
        assert [each.version for each in reader.memory.find("cookie")] == [2]
        assert reader.memory.find("token") == []
