"""Completion for the shells."""

from __future__ import annotations

import os
import pty
import select
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.person import Person

PROGRAMS = os.path.dirname(sys.executable)  # where `hallway` is
SHELLS = ["bash", "zsh", "fish"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_valid_and_knows_the_commands(person, shell):
    done = person.types("completion", shell)
    assert done.returncode == 0, done.stderr
    for word in ("heartbeat", "doctor", "waiting"):
        assert word in done.stdout
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here to check the script's syntax")
    checked = subprocess.run([shell, "-n"], input=done.stdout, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_bash_completes_a_command(person):
    script = person.types("completion", "bash").stdout
    asks = "\nCOMP_WORDS=(hallway heartb) COMP_CWORD=1\n_shtab_hallway\necho ${COMPREPLY[@]}"
    done = subprocess.run(["bash", "-c", script + asks], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["heartbeat"]


def test_another_shell_is_an_error(person):
    done = person.types("completion", "basic")
    assert done.returncode == 2
    assert "hint: " in done.stderr


# -- names and ids from the bus ---------------------------------------------------------------------------------------


@pytest.fixture
def shop(person: Person) -> Person:
    """A person with two sessions, a memory entry and a task, whose PATH leads to hallway."""
    person.environ["PATH"] = f"{PROGRAMS}{os.pathsep}{person.environ['PATH']}"
    for session_id, name in (("s1", "login-form"), ("s2", "logout-form")):
        assert person.types("register", session_id, "an agent", "codex", "--name", name).returncode == 0
    person.types("memory", "set", "me", "db/port", "5432")
    person.types("task", "offer", "me", "*", "mend it")
    return person


def completed(shop: Person, shell: str, line: str, folder: Path, offered: str = "") -> str:
    """What a real shell shows when Tab is pressed after a line; `offered` is what a shell on a terminal should add."""
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    script = folder / "_hallway"
    script.write_text(shop.types("completion", shell).stdout)
    if shell == "zsh":
        return in_zsh(shop, line, folder, offered)
    if shell == "fish":
        command = ["fish", "--no-config", "-c", f"source {script}; complete -C '{line}'"]
    else:
        words = line.split(" ")
        typed = " ".join(f"'{word}'" for word in words)
        asks = f"source {script}; COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; _shtab_hallway"
        command = ["bash", "--norc", "-c", f'{asks}; printf "%s\\n" "${{COMPREPLY[@]}}"']
    deadline = time.monotonic() + 60  # on a busy machine the bus may not answer within the second that it has
    while offered not in (shown := shop.runs(command, HOME=str(folder)).stdout) and time.monotonic() < deadline:
        pass
    return shown


def in_zsh(shop: Person, line: str, folder: Path, offered: str) -> str:
    """What zsh writes after a line and a Tab, until what it should offer comes: it completes only on a terminal."""
    main, side = pty.openpty()
    environ = {**shop.environ, "TERM": "dumb", "HOME": str(folder), "ZDOTDIR": str(folder)}
    process = subprocess.Popen(["zsh", "-f", "-i"], env=environ, stdin=side, stdout=side, stderr=side, cwd=folder)
    os.close(side)

    def reads(end: str) -> str:
        """What is written until a text comes, within a minute."""
        written, deadline = "", time.monotonic() + 60
        while end not in written and time.monotonic() < deadline:
            if select.select([main], [], [], 0.5)[0]:
                written += os.read(main, 65536).decode(errors="replace")
        return written

    try:
        # The word that says that all is read comes from zsh, not from the terminal's echo.
        setup = f"fpath=({folder} $fpath); autoload -U compinit; compinit -u -D; PS1=; print sett''led"
        os.write(main, f"{setup}\n".encode())
        reads("settled")
        os.write(main, f"{line}\t".encode())
        return reads(offered)
    finally:
        process.kill()
        process.wait()
        os.close(main)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("hallway show logi", "login-form"),
        ("hallway session rename logo", "logout-form"),
        ("hallway send me logi", "login-form"),
        ("hallway memory get db", "db/port"),
        ("hallway install co", "codex"),
        ("hallway list --project github", "github.com/acme/shop"),
    ],
)
def test_a_shell_completes_what_is_on_the_bus(
    shop: Person, shell: str, line: str, offered: str, tmp_path: Path
) -> None:
    added = offered.removeprefix(line.split(" ")[-1])
    assert added in completed(shop, shell, line, tmp_path, added)


def test_a_task_is_completed_by_its_id(shop: Person, tmp_path: Path) -> None:
    (task,) = shop.gets("task", "list")
    assert task["task_id"] in completed(shop, "bash", "hallway task show ", tmp_path, task["task_id"])


@pytest.mark.promise("I3")
@pytest.mark.parametrize("shell", SHELLS)
def test_hostile_words_reach_no_shell(shop: Person, shell: str, tmp_path: Path) -> None:
    names = [
        "login$(touch owned)",
        "login`touch owned`",
        "login;touch owned",
        "login\x1b[31m",
        "log in",
        "-l",
        "login*",
    ]
    for at, name in enumerate(names):
        shop.types("memory", "set", "me", f"login{at}", "x")
        connection = sqlite3.connect(shop.bus_file)
        connection.execute("UPDATE memory_keys SET key = ? WHERE key = ?", (name, f"login{at}"))
        connection.commit()
        connection.close()
    assert shop.types("complete", "keys").stdout == "db/port\n"
    assert "db/port" in completed(shop, shell, "hallway memory get ", tmp_path, "db/port")
    assert not (tmp_path / "owned").exists()
    assert not Path("owned").exists()


@pytest.mark.promise("I3")
def test_completion_makes_no_bus_and_says_nothing_without_one(person: Person) -> None:
    done = person.types("complete", "sessions")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not person.bus_file.exists()


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nonsense://x", "postgresql://127.0.0.1:9/x"])
def test_a_bus_that_cannot_be_reached_is_not_reported(person: Person, url: str) -> None:
    done = person.types("complete", "sessions", HALLWAY_URL=url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_bus_that_is_locked_does_not_keep_the_person_waiting(shop: Person) -> None:
    connection = sqlite3.connect(shop.bus_file, isolation_level=None)
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("BEGIN EXCLUSIVE")
    began = time.monotonic()
    done = shop.types("complete", "sessions")
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - began < 60
    connection.execute("ROLLBACK")
    connection.close()


def test_a_bus_that_is_no_bus_is_not_reported(shop: Person) -> None:
    shop.bus_file.write_text("nonsense " * 1000)
    done = shop.types("complete", "sessions")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_unknown_kind_of_word_is_an_error(person: Person) -> None:
    assert person.types("complete", "nonsense").returncode == 2
