"""Clients that work through several hubs while things break, and remember what they were told."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

from hallway.bus.remote import RemoteBus
from hallway.core import errors
from history import History, Op, check_heard, check_key, check_seen, check_task
from support import Here, open_store, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

KEYS = ("plan", "notes")
TTL_S = 10
LOST_S = 2.0  # around a crash of the database, whose last half second of heartbeats may be lost


class Crowd:
    """Senders, a reader, writers of keys, takers of tasks and sessions that only beat, each a thread; and a handler."""

    def __init__(self, urls: list[str], database: str, *, size: int = 3) -> None:
        self._urls, self._database = urls, database
        self._stopped = threading.Event()
        self.history = History()
        self.accepted: dict[str, str] = {}  # what senders heard was sent: message by subject
        self.given: list[str] = []
        self.acknowledged: list[str] = []
        self.given_again: list[str] = []
        self.tasks: list[str] = []
        self.broken: list[BaseException] = []
        self.crashes: list[float] = []  # when the database crashed, by the monotonic clock
        self.heard: list[int] = []  # the seqs of the events that a handler was called with
        self._listening = RemoteBus(",".join(urls), Here())
        self._names = [f"worker-{number}" for number in range(size)]
        with open_store(database) as bus:
            for name in ("reader", "boss", "dead", *self._names):
                bus.sessions.register(name, "agent", "codex", ttl_s=86_400)
            bus.sessions.heartbeat("dead", ttl_s=TTL_S)
            for number in range(size):
                bus.sessions.register(f"beating-{number}", "agent", "codex", ttl_s=TTL_S)
        work = [self._read, self._offer]
        for name in self._names:
            work += [self._for(self._send, name), self._for(self._set, name), self._for(self._take, name)]
        for name in (f"beating-{number}" for number in range(size)):  # each through two hubs at once
            work += [self._for(self._beat, name), self._for(self._beat, name), self._for(self._look, name)]
        self._threads = [threading.Thread(target=self._work, args=each) for each in enumerate(work)]

    @staticmethod
    def _for(function: Callable[[RemoteBus, str], None], name: str) -> Callable[[RemoteBus], None]:
        return lambda bus: function(bus, name)

    def __enter__(self) -> Self:
        self._listening.events.on("*", lambda event: self.heard.append(event.seq))
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        self._listening.close()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self._threads)

    def _work(self, number: int, step: Callable[[RemoteBus], None]) -> None:
        first = number % len(self._urls)  # neighbours ask different hubs
        urls = self._urls[first:] + self._urls[:first]
        with RemoteBus(",".join(urls), Here()) as bus:
            while not self._stopped.is_set():
                try:
                    step(bus)
                except (errors.Unavailable, errors.StorageError):
                    time.sleep(0.05)
                except BaseException as error:
                    self.broken.append(error)
                    raise

    # -- what each of them does over and over -------------------------------------------------------------------------

    def _send(self, bus: RemoteBus, name: str) -> None:
        subject = f"{name} {len(self.accepted)} {time.monotonic_ns()}"
        while not self._stopped.is_set():
            try:
                sent = bus.messages.send(name, "reader", subject=subject, idempotency_key=subject)
            except (errors.Unavailable, errors.StorageError):
                time.sleep(0.05)  # whoever heard nothing says it again, with the same key
            else:
                self.accepted[subject] = sent.message_id
                return

    def _read(self, bus: RemoteBus) -> None:
        for message in bus.messages.inbox("reader", 1):
            if message.message_id in self.acknowledged:
                self.given_again.append(message.subject)
            self.given.append(message.message_id)
            bus.messages.acknowledge("reader", [message.message_id])
            self.acknowledged.append(message.message_id)

    def _set(self, bus: RemoteBus, name: str) -> None:
        key = random.choice(KEYS)
        got = self.history.record(Op("get", key, name), lambda: bus.memory.get_entry(key))
        version = got.result.version if got.outcome == "ok" else 0
        if got.outcome == "unknown":
            return
        op = Op("set", key, name, version, f"{name} {time.monotonic_ns()}")
        self.history.record(op, lambda: bus.memory.set(name, key, op.value, expected_version=version))

    def _offer(self, bus: RemoteBus) -> None:
        task = bus.tasks.offer("boss", "*", f"job {time.monotonic_ns()}")
        self.tasks.append(task.task_id)
        time.sleep(0.02)

    def _take(self, bus: RemoteBus, name: str) -> None:
        if not self.tasks:
            time.sleep(0.01)
            return
        task_id = self.tasks[-1]
        if not any(op.by == name for op in self.history.of("accept")[task_id]):
            self.history.record(Op("accept", task_id, name), lambda: bus.tasks.accept(name, task_id))
        time.sleep(0.005)

    def _beat(self, bus: RemoteBus, name: str) -> None:
        self.history.record(Op("beat", name, name, value=time.time()), lambda: bus.sessions.heartbeat(name))
        time.sleep(0.1)

    def _look(self, bus: RemoteBus, name: str) -> None:
        """Look at when a session was seen last."""
        self.history.record(Op("look", name, "looker"), lambda: bus.sessions.get(name).last_seen.timestamp())
        time.sleep(0.05)

    # -- what must be true afterwards ---------------------------------------------------------------------------------

    def _is_kept(self, op: Op) -> bool:
        """Return whether no crash of a database may have taken back when a session was seen (decision 0008)."""
        return not any(crash - LOST_S <= op.ended <= crash + LOST_S for crash in self.crashes)

    def progress(self) -> int:
        """How much was accepted until now."""
        return len(self.accepted)

    def goes_on(self, count: int = 10) -> None:
        """Wait until so much more was accepted: everything works again."""
        before = self.progress()
        until(lambda: self.broken or self.progress() >= before + count, within_s=60)

    def check(self) -> None:
        """Nothing acknowledged is lost, nothing is given twice, presence is right, one winner for each task."""
        self.goes_on()
        with open_store(self._database) as bus:
            until(lambda: not bus.sessions.get("dead").is_live, within_s=TTL_S + 20)
            until(lambda: all(each.is_live for each in self._beating(bus)), within_s=TTL_S + 20)
            self.stop()
            assert self.broken == []
            print(len(self.accepted), "sent,", Counter((op.kind, op.outcome) for op in self.history.ops))
            self._check_messages(bus)
            for key, sets in self.history.of("set").items():
                versions = {each.version: each.value for each in _versions(bus, key)}
                check_key(sets, self.history.of("get")[key], versions)
            for task_id, accepts in self.history.of("accept").items():
                check_task(accepts, bus.tasks.get(task_id).owner)
            for name, beats in self.history.of("beat").items():
                looks = self.history.of("look")[name]
                check_seen(filter(self._is_kept, beats), filter(self._is_kept, looks))
            last = bus.events.last_seq()
            until(lambda: last in self.heard, within_s=60)
            check_heard(self.heard, last)

    def _beating(self, bus: object) -> list[object]:
        return [each for each in bus.sessions.list_sessions(True) if each.session_id.startswith("beating-")]

    def _check_messages(self, bus: object) -> None:
        received, after = [], 0
        while page := bus.messages.get_messages("reader", include_broadcasts=False, after=after, limit=1000):
            received += [message for message in page if message.type == "notification"]
            after = page[-1].seq
        subjects = Counter(message.subject for message in received)
        assert [subject for subject, count in subjects.items() if count > 1] == [], "sent once and stored twice"
        lost = {subject for subject in self.accepted if subject not in subjects}
        assert lost == set(), "accepted and lost"
        assert self.given_again == [], "given again after it was acknowledged"
        waiting = {message.message_id for message in bus.messages.inbox("reader", limit=1000)}
        assert waiting.isdisjoint(self.acknowledged)
        seqs = [event.seq for event in _events(bus)]
        assert seqs == list(range(1, len(seqs) + 1)), "the record has a gap"


def _versions(bus: object, key: str) -> list[object]:
    found: list[object] = []
    while page := bus.memory.get_all(key, limit=1000, before_version=found[-1].version if found else None):
        found += page
    return found


def _events(bus: object) -> list[object]:
    found: list[object] = []
    while page := bus.events.read(found[-1].seq if found else 0, limit=1000):
        found += page
    return found
