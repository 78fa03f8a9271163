"""Messages and tasks under load, races and kills: many processes, one bus."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest

from support import all_events, all_messages, answer_of, open_store, start_together, until

SENDERS = 16
EACH = 1000
Start = Callable[..., Popen[str]]


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "bus.db")


def register(path: str, *names: str) -> None:
    with open_store(path) as bus, bus.transaction():
        for name in names:
            bus.sessions.register(name, f"{name}'s agent", "codex", ttl_s=3600)


def lines(record: Path) -> list[str]:
    """The whole lines of a file whose writer may have been killed in the middle of one."""
    return record.read_text().split("\n")[:-1] if record.exists() else []


@pytest.mark.slow
@pytest.mark.promise("M1", "M4")
def test_what_sixteen_processes_send_arrives_once_and_in_order(path: str, start: Start) -> None:
    names = [f"s{number}" for number in range(SENDERS)]
    register(path, "reader", *names)
    readers = [start(reads, path, "reader", SENDERS * EACH) for reads in ("read_all", "tail")]
    senders = [start("send_many", path, name, "reader", EACH) for name in names]
    start_together(readers + senders)
    for sender in senders:
        answer_of(sender)
    for got in (json.loads(answer_of(reader)) for reader in readers):
        seqs = [seq for _, _, seq in got]
        assert len(got) == SENDERS * EACH
        assert seqs == sorted(set(seqs))
        for name in names:
            assert [number for sender, number, _ in got if sender == name] == list(range(EACH))
    with open_store(path) as bus:
        assert bus.messages.inbox("reader") == []
        assert bus.messages.get_stats().unread == 0


@pytest.mark.slow
@pytest.mark.promise("M1")
def test_kills_lose_nothing_accepted_and_bring_back_nothing_acknowledged(
    path: str, tmp_path: Path, start: Start
) -> None:
    names = ("alice", "bob", "carol")
    register(path, "reader", *names)
    accepted = [tmp_path / f"accepted by {name}" for name in names]
    runs: list[Path] = []
    for round_ in range(3):
        runs.append(tmp_path / f"reader {round_}")
        workers = [start("read_and_record", path, runs[-1], "reader")]
        workers += [
            start("send_and_record", path, record, name, "reader") for name, record in zip(names, accepted, strict=True)
        ]
        start_together(workers)
        until(lambda: len(lines(runs[-1])) > 200 and all(len(lines(record)) > 100 * len(runs) for record in accepted))
        for worker in workers:
            worker.kill()
            worker.wait()
    acknowledged: set[str] = set()
    for run in runs:
        said = [line.split() for line in lines(run)]
        assert not acknowledged & {message_id for word, message_id in said if word == "given"}
        acknowledged |= {message_id for word, message_id in said if word == "acknowledged"}
    with open_store(path) as bus:
        stored = {message.message_id for message in all_messages(bus, "reader")}
        assert {message_id for record in accepted for message_id in lines(record)} <= stored
        left: set[str] = set()
        after = 0
        while page := bus.messages.inbox("reader", limit=1000, after=after):
            left |= {message.message_id for message in page}
            after = page[-1].seq
        assert not left & acknowledged
        # A reader was killed at most once in each round between the acknowledgement and writing it down.
        assert len(stored - left - acknowledged) <= len(runs)


@pytest.mark.slow
@pytest.mark.promise("T1")
def test_of_fifty_simultaneous_accepts_one_wins_two_hundred_times(path: str, start: Start) -> None:
    names = [f"s{number}" for number in range(50)]
    register(path, "boss", *names)
    with open_store(path) as bus, bus.transaction():
        tasks = [bus.tasks.offer("boss", "*", f"job {number}").task_id for number in range(200)]
    workers = [
        start("accept_each", path, ",".join(names[first : first + 10]), ",".join(tasks)) for first in range(0, 50, 10)
    ]
    start_together(workers)
    answers = [json.loads(answer_of(worker)) for worker in workers]
    for task_id in tasks:
        won = [name for answer in answers for name in answer[task_id]["won"]]
        told = [name for answer in answers for name in answer[task_id]["told"]]
        assert len(won) == 1
        assert told == won * 49
    with open_store(path) as bus:
        assert Counter(event.kind for event in all_events(bus))["task.accepted"] == len(tasks)


@pytest.mark.slow
@pytest.mark.promise("T3")
def test_the_task_of_an_expired_owner_is_offered_again_once_however_many_look(
    path: str, tmp_path: Path, start: Start
) -> None:
    register(path, "boss", "other")
    stop = tmp_path / "stop"
    sweepers = [start("sweep", path, stop) for _ in range(6)]
    start_together(sweepers)
    tasks: list[str] = []
    with open_store(path) as bus:
        for number in range(20):
            victim = f"victim-{number}"  # one that came back would have its tasks again
            bus.sessions.register(victim, "agent", "codex")
            tasks.append(bus.tasks.offer("boss", "*", f"job {number}").task_id)
            bus.tasks.accept(victim, tasks[-1])
            with bus.store.write():  # of the store: the bus's own would sweep
                bus.store._connection.execute(
                    "UPDATE sessions SET expires_at = 1, check_at = 1 WHERE session_id = ?", (victim,)
                )
            until(lambda: bus.tasks.get(tasks[-1]).status == "offered")
        stop.touch()
        for sweeper in sweepers:
            answer_of(sweeper)
        reoffered = Counter(e.data["task_id"] for e in all_events(bus) if e.kind == "task.reoffered")
        offers = Counter(m.task_id for m in all_messages(bus, "other") if m.type == "task_offer" and m.in_reply_to)
    assert reoffered == offers == Counter(tasks)
