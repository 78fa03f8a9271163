"""`hallway try` starts nothing before the person agrees, and says what is missing. With real clients: tests/agents."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from hallway.cli.confirmation import Declined
from install.machine import Machine

CLIENT = """#!/bin/sh
case "$1" in --version) echo 2.1.329; exit;; esac
echo "$@" >> {log}
echo 'Invalid API key'
"""


@pytest.fixture
def shop(machine: Machine) -> Machine:
    """A machine with a Claude Code that only writes down that it was started."""
    machine.has_program("claude", "")
    (machine.programs / "claude").write_text(CLIENT.format(log=machine.user / "started"))
    return machine


def test_without_a_terminal_it_says_what_to_type_and_starts_nothing(shop: Machine) -> None:
    shop.installs("claude-code")
    done = shop.types("try")
    assert done.returncode == Declined.exit_status
    assert "This starts Claude Code here" in done.stderr
    assert "hint: If you agree: hallway try --yes" in done.stderr
    assert not (shop.user / "started").exists()


@pytest.mark.parametrize("typed", ["n\n", "\n", "maybe\n"])
def test_a_person_who_does_not_agree_starts_nothing(shop: Machine, typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.installs("claude-code")
    monkeypatch.chdir(shop.repository)
    status, shown = shop.on_a_terminal("try", typed=typed)
    assert status == Declined.exit_status
    assert "Go on? [y/N]" in shown
    assert not (shop.user / "started").exists()


def test_a_client_that_fails_is_told_of_with_what_it_wrote(shop: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.installs("claude-code")
    monkeypatch.chdir(shop.repository)
    status, shown = shop.on_a_terminal("try", typed="y\n")
    assert status == 1
    assert "Claude Code did not come to the bus: it has ended; Claude Code wrote: Invalid API key" in shown
    assert "hallway doctor" in shown
    assert (shop.user / "started").read_text().startswith("-p You take part in a short test of hallway.")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "hallway install claude-code"),
        (["claude"], "Did you mean claude-code?"),
        (["cursor"], "It can start: claude-code, codex"),
        (["codex"], "Codex is not connected to hallway"),
        (["codex", "codex", "codex"], "two clients at the most"),
    ],
)
def test_what_is_missing_is_said(shop: Machine, words: list[str], said: str) -> None:
    done = shop.types("try", "--yes", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (shop.user / "started").exists()


def test_without_any_client_it_says_so(machine: Machine) -> None:
    done = machine.types("try", PATH=os.defpath)
    assert done.returncode == 2
    assert "no client that hallway try can start is on this machine" in done.stderr


INTERRUPTED_WHEN_STARTED = """\
import signal, subprocess, sys
from hallway.cli.main import run

class Interrupted(subprocess.Popen):
    def _execute_child(self, words, *more):
        super()._execute_child(words, *more)
        if "-p" in words:
            signal.raise_signal(signal.SIGINT)

subprocess.Popen = Interrupted
sys.exit(run(["try", "--yes"]))
"""


def test_ctrl_c_while_a_client_is_being_started_leaves_no_client(shop: Machine) -> None:
    shop.installs("claude-code")
    (shop.programs / "claude").write_text(
        CLIENT.format(log=shop.user / "started") + f"echo $$ > {shop.user}/pid; exec sleep 600\n"
    )
    done = shop.runs([sys.executable, "-c", INTERRUPTED_WHEN_STARTED])
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    pid = shop.user / "pid"
    assert not pid.exists() or not Path(f"/proc/{pid.read_text().strip()}").exists()
