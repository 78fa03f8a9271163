"""What tests do in processes of their own: `python workers.py FUNCTION ARGUMENT…`.

A worker that is to start together with others says `ready` and waits for a line; its last line is its answer.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import sys
import threading
import time
from pathlib import Path

import apsw

import hallway
from hallway.bus import local as bus_module
from hallway.bus.local import LocalBus
from hallway.core.errors import AlreadyTaken, VersionConflict
from support import Here, store_at


def open_bus(address: str) -> LocalBus:
    store = store_at(address)
    store.busy_timeout_s = 60  # on a busy machine one of thirty writers may wait for long
    return LocalBus(store, Here())


def ready() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


# -- events -----------------------------------------------------------------------------------------------------------


def follow(path: str, look_every_s: str, count: str) -> None:
    """Say `ready`, then print each event's seq and when it came, until there were so many."""
    bus_module.LOOK_EVERY_S = float(look_every_s)
    with open_bus(path) as bus:
        stream = bus.events.follow(timeout_s=60)
        left = int(count)
        print("ready", flush=True)
        for event in stream:
            print(event.seq, time.time(), flush=True)
            left -= 1
            if not left:
                return


def register_many(path: str, name: str, count: str) -> None:
    """Register sessions one by one, each in its own transaction."""
    with open_bus(path) as bus:
        ready()
        for number in range(int(count)):
            bus.sessions.register(f"{name}-{number}", name, "codex")


# -- faults -----------------------------------------------------------------------------------------------------------


def make_bus(path: str) -> None:
    """Open a bus that nobody has made yet, with others who do the same at this moment."""
    ready()
    with open_bus(path) as bus:
        bus.sessions.heartbeat(str(os.getpid()))


def beat(path: str, name: str, stop: str) -> None:
    """Register new sessions and beat one of them, never offline, until the file `stop` exists. Print what was told."""
    with open_bus(path) as bus:
        registered = beats = 0
        bus.sessions.register(name, name, "codex", ttl_s=600)  # a busy machine may not run it for half a minute
        ready()
        while not beats or not Path(stop).exists():
            beats += 1
            if beats % 5 == 0:
                bus.sessions.register(f"{name}-{registered}", name, "codex")
                registered += 1
            answer = bus.sessions.heartbeat(name, current_task=f"task {beats // 10}")
            assert answer.status != "offline"
            assert bus.sessions.get(name).is_live
    print(json.dumps({"name": name, "registered": registered, "beats": beats}))


def sweep(path: str, stop: str) -> None:
    """Read, and with that sweep, until the file `stop` exists. Print how often."""
    with open_bus(path) as bus:
        ready()
        looks = 0
        while not looks or not Path(stop).exists():
            bus.sessions.active()
            looks += 1
    print(looks)


def make_overdue(path: str, name: str, stop: str) -> None:
    """Make sessions overdue and let them beat again, until the file `stop` exists. Print how often each was overdue."""
    with open_bus(path) as bus, open_bus(path) as observer:
        victims = [f"{name}-{number}" for number in range(8)]
        for victim in victims:
            bus.sessions.register(victim, victim, "codex")
        overdue = dict.fromkeys(victims, 0)
        ready()
        while not any(overdue.values()) or not Path(stop).exists():
            for victim in victims:
                with bus.store.write():  # of the store: the bus's own would sweep
                    bus.store._connection.execute(
                        "UPDATE sessions SET expires_at = 1, check_at = 1 WHERE session_id = ? AND ended_at IS NULL",
                        (victim,),
                    )
                    overdue[victim] += bus.store._connection.changes()
                observer.sessions.heartbeat(victim)
    print(json.dumps(overdue))


def write_and_record(path: str, record: str, name: str) -> None:
    """Register sessions for ever, and write down each one that the bus has acknowledged."""
    with open_bus(path) as bus, Path(record).open("a") as acknowledged:
        ready()
        number = 0
        while True:
            bus.sessions.register(f"{name}-{number}", "agent", "codex")
            acknowledged.write(f"{name}-{number}\n")
            acknowledged.flush()
            number += 1


def hold_the_lock(path: str) -> None:
    """Open a write transaction and stay in it."""
    with open_bus(path) as bus, bus.transaction():
        bus.sessions.register("holder", "agent", "codex")
        ready()


def hold_half_an_index(path: str, hold_s: str) -> None:
    """Stop for a while where a process that commits has written one of two copies of the header of the log's index."""
    connection = apsw.Connection(path)
    connection.execute("BEGIN IMMEDIATE")
    with open(f"{path}-shm", "r+b", buffering=0) as index:
        first_copy = index.read(48)
        index.seek(0)
        index.write(bytes(48))
        print("ready", flush=True)
        time.sleep(float(hold_s))
        index.seek(0)
        index.write(first_copy)
        connection.execute("ROLLBACK")  # closing the file gives the locks back, too


def open_with_umask_zero(path: str) -> None:
    """Make a bus where no umask helps, and leave all its files there."""
    os.umask(0)
    bus = hallway.connect(path)
    stream = bus.events.follow(0, timeout_s=0)
    bus.sessions.register("alice", "agent", "codex")
    next(stream)
    modes = {str(found.relative_to(path)): oct(found.stat().st_mode & 0o777) for found in Path(path).rglob("*")}
    print(json.dumps({".": oct(Path(path).stat().st_mode & 0o777), **modes}))


# -- messages ---------------------------------------------------------------------------------------------------------


def send_many(path: str, name: str, to: str, count: str) -> None:
    """Send so many messages, numbered."""
    with open_bus(path) as bus:
        ready()
        for number in range(int(count)):
            bus.messages.send(name, to, subject=str(number))


def send_batches(path: str, name: str, to: str) -> None:
    """Send messages until killed, three to a transaction, which now and then waits before its commit."""
    dice = random.Random(name)
    with open_bus(path) as bus:
        ready()
        for number in itertools.count():
            with bus.transaction():
                for part in range(3):
                    bus.messages.send(name, to, subject=f"{number}/{part}")
                time.sleep(dice.choice((0, 0, 0.02)))


def read_all(path: str, name: str, total: str) -> None:
    """Read and acknowledge until there were so many; answers with each message's sender, number and seq."""
    with open_bus(path) as bus:
        ready()
        got: list[tuple[str, int, int]] = []
        while len(got) < int(total):
            page = bus.messages.inbox(name, 30, limit=200)
            assert page, f"nothing came after {len(got)} messages"
            assert bus.messages.acknowledge(name, [message.message_id for message in page]) == len(page)
            got += [(message.from_session, int(message.subject), message.seq) for message in page]
    print(json.dumps(got))


def tail(path: str, name: str, total: str) -> None:
    """Follow a history by seq until there were so many; answers with each message's sender, number and seq."""
    with open_bus(path) as bus:
        ready()
        got: list[tuple[str, int, int]] = []
        while len(got) < int(total):
            page = bus.messages.get_messages(name, after=got[-1][2] if got else 0, limit=200)
            time.sleep(0 if page else 0.01)
            got += [(message.from_session, int(message.subject), message.seq) for message in page]
    print(json.dumps(got))


def send_and_record(path: str, record: str, name: str, to: str) -> None:
    """Send for ever, and write down each message that the bus has accepted."""
    with open_bus(path) as bus, Path(record).open("a") as accepted:
        ready()
        number = 0
        while True:
            number += 1
            accepted.write(bus.messages.send(name, to, subject=f"{os.getpid()} {number}").message_id + "\n")
            accepted.flush()


def read_and_record(path: str, record: str, name: str) -> None:
    """Read and acknowledge for ever, and write down what was given and what the bus has taken back."""
    with open_bus(path) as bus, Path(record).open("a") as log:
        ready()
        while True:
            for message in bus.messages.inbox(name, 1, limit=10):
                log.write(f"given {message.message_id}\n")
                log.flush()
                bus.messages.acknowledge(name, [message.message_id])
                log.write(f"acknowledged {message.message_id}\n")
                log.flush()


def accept_each(path: str, names: str, task_ids: str) -> None:
    """Try to accept each task, once for each name and all at once; answers with who won, and whom losers were told."""
    outcomes: dict[str, dict[str, list[str]]] = {task_id: {"won": [], "told": []} for task_id in task_ids.split(",")}

    def race(name: str) -> None:
        with open_bus(path) as bus:
            gate.wait()
            for task_id, outcome in outcomes.items():
                try:
                    outcome["won"].append(str(bus.tasks.accept(name, task_id).owner))
                except AlreadyTaken as error:
                    outcome["told"].append(error.details["owner"])

    threads = [threading.Thread(target=race, args=(name,)) for name in names.split(",")]
    gate = threading.Barrier(len(threads) + 1)
    for thread in threads:
        thread.start()
    ready()
    gate.wait()
    for thread in threads:
        thread.join()
    print(json.dumps(outcomes))


# -- memory -----------------------------------------------------------------------------------------------------------


def remember(path: str, name: str, count: str) -> None:
    """Set a key of its own and one that all set, so many times each; answers with the common key's versions."""
    with open_bus(path) as bus:
        ready()
        versions = []
        for number in range(int(count)):
            bus.memory.set(name, f"of/{name}", number)
            versions.append(bus.memory.set(name, "common", [name, number], tags=["race"]).version)
    print(json.dumps(versions))


def compare_and_set(path: str, name: str, count: str) -> None:
    """Race for each next version of a key until there are so many; answers with the versions it won and lost."""
    won, lost, seen = [], 0, 0
    with open_bus(path) as bus:
        ready()
        while seen < int(count):
            try:
                seen = bus.memory.set(name, "race", name, expected_version=seen).version
                won.append(seen)
            except VersionConflict as error:
                current = error.details["current"]["version"]
                assert current > seen
                seen = current
                lost += 1
    print(json.dumps({"won": won, "lost": lost}))


def remember_aloud(path: str, name: str) -> None:
    """Set two keys in turn and say each version once it is acknowledged, until killed."""
    with open_bus(path) as bus:
        ready()
        while True:
            for key in ("common", f"of/{name}"):
                print(key, bus.memory.set(name, key, f"word{name} " * 50).version, flush=True)


# -- the page ---------------------------------------------------------------------------------------------------------


def live_a_life(path: str) -> None:
    """A session that does what it is told, line by line."""
    with open_bus(path) as bus:
        bus.sessions.register("s1", "alice's agent", "claude-code", "alice", project="github.com/acme/shop")
        for line in sys.stdin:
            if line == "work\n":
                bus.sessions.heartbeat("s1", status="working", current_task="mend the login form")
            elif line == "wait\n":
                bus.sessions.heartbeat("s1", status="waiting", current_task="may I run the migration?")
            else:
                bus.sessions.end("s1")


def answer_one(path: str, session_id: str) -> None:
    """A session that waits for a message, says what it was, answers it and has dealt with it."""
    with open_bus(path) as bus:
        bus.sessions.register(session_id, session_id, "codex", project="github.com/acme/shop")
        print("ready", flush=True)
        (message,) = bus.messages.inbox(session_id, wait_s=60)
        print(f"{message.priority} {message.type} from {message.from_session}: {message.body!r}", flush=True)
        bus.messages.reply(session_id, message.message_id, "the new one")
        bus.messages.acknowledge(session_id, [message.message_id])


# -- claims -----------------------------------------------------------------------------------------------------------

CLAIMED_FILES = ("src/a.py", "src/b.py", "src/api/a.py", "src/api/b.py", "docs/a.md", "docs/b.md")
CLAIMED_GLOBS = ("src/**", "src/*.py", "**/a.*", "src/api/[ab].py", "docs/{a,b}.md", "docs/a.md", "**/*.py", "**")


def race_for_claims(path: str, name: str, rounds: str, marks: str) -> None:
    """Claim random globs, alone and by waiting, and mark each file held by a file that only one process can make."""
    import random

    from hallway.core.errors import ClaimRefused
    from test_globs import is_match

    choice = random.Random(name)
    granted = refused = 0
    with open_bus(path) as bus:
        bus.sessions.register(name, name, "codex")
        ready()
        for _ in range(int(rounds)):
            globs = choice.sample(CLAIMED_GLOBS, choice.choice((1, 1, 2)))
            try:
                if choice.random() < 0.5:
                    claim = bus.claims.claim_when_free(name, globs, wait_s=120)
                else:
                    claim = bus.claims.claim(name, globs)
            except ClaimRefused:
                refused += 1
                continue
            granted += 1
            held = [each for each in CLAIMED_FILES if any(is_match(glob, each) for glob in globs)]
            files = [Path(marks) / each.replace("/", "-") for each in held]
            for file in files:
                os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY))  # raises FileExistsError: two holders
            time.sleep(choice.random() / 500)
            for file in files:
                file.unlink()
            bus.claims.release(name, claim.claim_id)
    print(json.dumps([granted, refused]))


def hold_a_claim(path: str, name: str, ttl_s: str) -> None:
    """Claim files and say the number; once told to go on, say what a renewal and a release answer."""
    from hallway.core.errors import HallwayError

    with open_bus(path) as bus:
        bus.sessions.register(name, name, "codex", ttl_s=86_400)
        claim = bus.claims.claim(name, ["src/**"], ttl_s=int(ttl_s))
        print(claim.fence, flush=True)
        sys.stdin.readline()
        try:
            bus.claims.renew(name, claim.claim_id)
            print("renewed")
        except HallwayError as error:
            print(type(error).__name__)
        print(bus.claims.release(name, claim.claim_id), flush=True)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
