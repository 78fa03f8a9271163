"""A session whose process is gone is offline at once, and nobody else is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from hallway.bus.local import LocalBus
from hallway.core.clock import FakeClock
from hallway.local import presence
from support import kinds, until

SLEEPER = [sys.executable, "-c", "import sys; print('ready', flush=True); sys.stdin.read()"]

pytestmark = [
    pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="start times are read from /proc"),
    pytest.mark.usefixtures("home"),
]


@pytest.fixture
def process() -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts processes that live until they are killed or told."""
    started: list[subprocess.Popen[str]] = []

    def process() -> subprocess.Popen[str]:
        one = subprocess.Popen(SLEEPER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert one.stdout
        assert one.stdout.readline() == "ready\n"
        started.append(one)
        return one

    yield process
    for one in started:
        one.kill()
        one.communicate()


def status(bus: LocalBus, session_id: str) -> str:
    return bus.sessions.get(session_id).status


@pytest.mark.promise("A5")
def test_a_session_is_offline_as_soon_as_its_process_was_killed(
    bus: LocalBus, process: Callable[[], subprocess.Popen[str]]
) -> None:
    client = process()
    bus.sessions.register("s1", "one", "codex")
    presence.bind(bus.folder, "s1", client.pid)
    assert status(bus, "s1") == "active"
    client.send_signal(signal.SIGKILL)  # and not reaped: a zombie is gone, too
    until(lambda: status(bus, "s1") == "offline", within_s=60)
    assert bus.sessions.get("s1").end_reason == presence.GONE
    assert kinds(bus).count("session.ended") == 1


def test_two_readers_end_it_once(
    open_bus: Callable[[], LocalBus], process: Callable[[], subprocess.Popen[str]]
) -> None:
    one, other = open_bus(), open_bus()
    client = process()
    one.sessions.register("s1", "one", "codex")
    presence.bind(one.folder, "s1", client.pid)
    client.kill()
    client.wait()
    one.end_gone()
    other.end_gone()
    assert kinds(one).count("session.ended") == 1
    assert not os.listdir(os.path.join(one.folder, presence.CLIENTS))


def test_a_session_resumed_in_another_process_stays(
    bus: LocalBus, process: Callable[[], subprocess.Popen[str]]
) -> None:
    first, second = process(), process()
    bus.sessions.register("s1", "one", "codex")
    presence.bind(bus.folder, "s1", first.pid)
    presence.bind(bus.folder, "s1", second.pid)
    first.kill()
    first.wait()
    bus.end_gone()
    assert status(bus, "s1") == "active"
    second.kill()
    second.wait()
    bus.end_gone()
    assert status(bus, "s1") == "offline"


def test_all_sessions_of_a_process_end_with_it(bus: LocalBus, process: Callable[[], subprocess.Popen[str]]) -> None:
    client = process()
    for session_id in ("s1", "s2", "never-registered"):
        presence.bind(bus.folder, session_id, client.pid)
    for session_id in ("s1", "s2"):
        bus.sessions.register(session_id, "one", "opencode")
    assert presence.bound(bus.folder, client.pid) == "never-registered"
    client.kill()
    client.wait()
    bus.end_gone()
    assert status(bus, "s1") == status(bus, "s2") == "offline"


def test_a_process_id_that_came_back_is_another_process(
    bus: LocalBus, process: Callable[[], subprocess.Popen[str]]
) -> None:
    """The file of one that had the same id, and began earlier."""
    client = process()
    bus.sessions.register("s1", "one", "codex")
    presence.bind(bus.folder, "s1", client.pid)
    folder = os.path.join(bus.folder, presence.CLIENTS)
    (name,) = os.listdir(folder)
    pid, start, space = name.split(".")
    os.rename(os.path.join(folder, name), os.path.join(folder, f"{pid}.{int(start) - 1}.{space}"))
    assert presence.bound(bus.folder, client.pid) is None
    bus.end_gone()
    assert status(bus, "s1") == "offline"


def test_processes_of_another_machine_or_container_are_not_judged(bus: LocalBus) -> None:
    bus.sessions.register("s1", "one", "codex")
    folder = os.path.join(bus.folder, presence.CLIENTS)
    os.makedirs(folder)
    path = os.path.join(folder, "999999.1.0badcafe")
    with open(path, "w", encoding="utf-8") as file:
        file.write("s1\n")
    bus.end_gone()
    assert status(bus, "s1") == "active"
    os.utime(path, (0, 0))
    bus.end_gone()
    assert not os.path.exists(path)


def test_binding_twice_changes_nothing_and_the_last_session_counts(bus: LocalBus) -> None:
    for session_id in ("s1", "s1", "s2", "s1"):
        presence.bind(bus.folder, session_id, os.getpid())
    assert presence.bound(bus.folder, os.getpid()) == "s1"
    (name,) = os.listdir(os.path.join(bus.folder, presence.CLIENTS))
    with open(os.path.join(bus.folder, presence.CLIENTS, name), encoding="utf-8") as file:
        assert file.read() == "s1\ns2\ns1\n"


def test_shells_in_between_are_not_the_client() -> None:
    script = f"{sys.executable} -c 'from hallway.local.presence import client_process; print(client_process())'; true"
    for command in (["sh", "-c", script], ["sh", "-c", f'bash -c "{script}"; true']):
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        assert int(told) == os.getpid()


def test_a_process_that_never_was_binds_nothing(bus: LocalBus) -> None:
    presence.bind(bus.folder, "s1", 2**22 + 1)
    assert presence.bound(bus.folder, 2**22 + 1) is None
    assert not os.path.exists(os.path.join(bus.folder, presence.CLIENTS))


@pytest.mark.promise("S13")
def test_silence_takes_no_task_of_a_session_whose_process_runs(
    bus: LocalBus, clock: FakeClock, process: Callable[[], subprocess.Popen[str]]
) -> None:
    client = process()
    for session_id in ("alice", "bob", "carol"):
        bus.sessions.register(session_id, session_id, "codex")
    presence.bind(bus.folder, "bob", client.pid)
    tasks = {owner: bus.tasks.offer("alice", owner, f"for {owner}").task_id for owner in ("bob", "carol")}
    for owner, task_id in tasks.items():
        bus.tasks.accept(owner, task_id)
    clock.advance(3600)  # the laptop slept
    bus.sessions.heartbeat("alice")
    assert status(bus, "bob") == "offline"
    assert bus.tasks.get(tasks["bob"]).owner == "bob"
    assert bus.tasks.get(tasks["carol"]).owner is None
    bus.sessions.heartbeat("bob")
    assert (status(bus, "bob"), bus.tasks.get(tasks["bob"]).owner) == ("active", "bob")


@pytest.mark.promise("S13")
def test_a_silent_session_loses_its_tasks_at_once_when_its_process_is_gone(
    bus: LocalBus, clock: FakeClock, process: Callable[[], subprocess.Popen[str]]
) -> None:
    client = process()
    for session_id in ("alice", "bob"):
        bus.sessions.register(session_id, session_id, "codex")
    presence.bind(bus.folder, "bob", client.pid)
    task_id = bus.tasks.offer("alice", "bob", "mend the login").task_id
    bus.tasks.accept("bob", task_id)
    clock.advance(3600)
    bus.sessions.heartbeat("alice")
    assert bus.tasks.get(task_id).owner == "bob"
    client.kill()
    until(lambda: (bus.sweep(), bus.tasks.get(task_id).owner)[1] is None, within_s=60)
