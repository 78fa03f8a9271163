"""The time from `pip install` of the wheel to the first message between two real clients."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agents.conftest import needs
from agents.machine import TIMEOUT_S, Machine
from agents.model import Reply, Request
from release.distributions import Distributions
from support import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts the processes that others leave")

MAX_PROCESSOR_S = 60.0
PR_SET_CHILD_SUBREAPER = 36
QUESTION = "Which port does the shop listen on?"


@contextmanager
def counted_orphans() -> Iterator[None]:
    """Adopt what a child leaves behind and wait for it, so that its processor time counts, too."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    try:
        yield
        until(has_no_child, TIMEOUT_S)
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def has_no_child() -> bool:
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return True
    return False


def processor_s() -> float:
    """The processor time of all children that have ended, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_the_first_message_comes_within_a_minute_of_processor_time_after_pip_install(machine: Machine) -> None:
    """What pip needs is in a folder here, so no download counts; and a scripted model answers at once."""
    claude, codex = needs("claude-code"), needs("codex")
    received_at = 0.0

    def ask(_: Request) -> Reply:
        until(lambda: [each for each in machine.bus.sessions.list_sessions() if each.agent_type == "codex"], TIMEOUT_S)
        return Reply(None, claude.hallway("send", to_session="type:codex", body=QUESTION, type="request"))

    def read(request: Request) -> Reply:
        nonlocal received_at
        received_at = time.monotonic()
        assert QUESTION in request.context, request.context[-3000:]
        return Reply("A question.")

    asking = machine.model(ask, Reply("Asked."))
    answering = machine.model(Reply(None, codex.hallway("inbox", wait_s=60)), read)
    claude.prepare(machine.home, machine.repository, asking.url)
    codex.prepare(machine.home, machine.repository, answering.url)
    venv = machine.home / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True, timeout=TIMEOUT_S)
    packages = Distributions(Path(os.environ["HALLWAY_TEST_PACKAGES"]))
    paths = [str(venv / "bin"), *(machine.environ(program)["PATH"] for program in (claude, codex))]
    own = {"HOME": str(machine.home), "PATH": os.pathsep.join(paths)}
    environ = {**machine.environ(codex), **packages.offline(), **own}

    def runs(*command: str | Path) -> None:
        subprocess.run(command, env=environ, check=True, timeout=TIMEOUT_S, cwd=machine.repository)

    began, used = time.monotonic(), processor_s()
    with counted_orphans():
        runs("pip", "install", "--quiet", packages.wheel)
        installed = processor_s() - used
        runs("hallway", "install", "claude-code", "codex")
        started = [
            machine.start(codex, answering, "Wait for a message of another session."),
            machine.start(claude, asking, "Ask the Codex session which port the shop listens on."),
        ]
        runs_of = [machine.finish(process) for process in started]
    for run, model in zip(runs_of, (answering, asking), strict=True):
        assert run.status == 0, f"{run.output}\n{run.errors}"[-3000:]
        model.check()
    used = processor_s() - used
    print(
        f"\nfrom pip install to the first message: {used:.1f} s of processor time, "
        f"{installed:.1f} of them pip's, until both clients had ended; {received_at - began:.1f} s by the clock"
    )
    assert used <= MAX_PROCESSOR_S
