"""What reaches a terminal, and how a command ends when its terminal does."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import apsw
import pytest

if TYPE_CHECKING:
    from cli.person import Person

HOSTILE = "mend\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe\u2066\nSTATUS forged\r\x08\x7f\u2028end"


def on_a_terminal(person: Person, *words: str, columns: int = 200, **environ: str) -> str:
    """What a command writes to a terminal."""
    status, written = person.on_a_terminal(*words, **{"TERM": "xterm", "COLUMNS": str(columns), **environ})
    assert status == 0
    return written


def test_colours_are_for_terminals(team):
    assert "\x1b[33m◆ waiting" in on_a_terminal(team, "list")
    assert "\x1b" not in team.types("list").stdout


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_may_be_declined(team, environ):
    assert "\x1b" not in on_a_terminal(team, "list", **environ)


def test_a_table_is_no_wider_than_its_terminal(team):
    team.types("heartbeat", "s1", "--task", "mend the login of the shop and then all of its neighbours " * 5)
    text = on_a_terminal(team, "list", columns=80, NO_COLOR="1")
    assert "…" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "neighbours mend" in team.types("list").stdout  # but whole where nobody looks


def make_hostile(person: Person) -> None:
    """What a faulty or hostile program may have written past hallway's own checks."""
    person.types("register", "s1", "alice", "script")
    connection = apsw.Connection(str(person.bus_file))
    connection.execute(
        "UPDATE sessions SET agent_name = ?1, current_task = ?1, branch = ?1, human_user = ?1 WHERE session_id = 's1'",
        (HOSTILE,),
    )
    connection.execute("UPDATE events SET session_id = ?1, kind = ?1, data = json_object('a', ?1)", (HOSTILE,))
    connection.close()


@pytest.mark.parametrize("flags", [(), ("--json",)])
@pytest.mark.parametrize(
    "words", [("list",), ("show", "s1"), ("ping", "s1"), ("heartbeat", "s2"), ("stats",), ("watch", "--after", "0")]
)
def test_hostile_text_never_reaches_the_terminal(person, words, flags):
    make_hostile(person)
    if words[0] == "watch":
        with person.starts(*words, *flags) as process:
            text = process.stdout.readline()
            process.send_signal(signal.SIGINT)
    else:
        text = person.types(*words, *flags).stdout
    assert "mend" in text
    assert not set(text) & set(HOSTILE) - set("mend]0;owned[2J31gnp.exeSTATUS forgedend\n")
    assert not any(line.startswith("STATUS forged") for line in text.splitlines())


def test_hostile_words_never_come_back_raw_in_an_error(team):
    for words in (("show", HOSTILE), ("list", f"--{HOSTILE}"), (HOSTILE,), ("heartbeat", "s1", HOSTILE)):
        done = team.types(*words)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 2
        assert "\x1b" not in done.stderr
        assert "\u202e" not in done.stderr


@pytest.mark.parametrize(
    "words", [("list",), ("list", "--url"), ("heartbeat", "s1"), ("--help",), ("watch", "--after", "0")]
)
def test_a_reader_that_has_gone_ends_a_command_quietly(team, words):
    words = (*words, str(team.home)) if words[-1] == "--url" else words
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        team.command(*words), env=team.environ, stdout=writer, stderr=subprocess.PIPE, timeout=30, check=False
    )
    os.close(writer)
    assert done.stderr == b""
    assert done.returncode == 141


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("words", [("list",), ("list", "--url")])
def test_an_answer_that_cannot_be_written_is_an_error(team, words):
    words = (*words, str(team.home)) if words[-1] == "--url" else words
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            team.command(*words), env=team.environ, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr.startswith("hallway: ")
    assert len(done.stderr.splitlines()) == 2


def test_a_terminal_without_the_letters_shows_them_escaped(team):
    done = team.types("list", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "\\u25c6 waiting" in done.stdout


def test_ctrl_c_ends_watching_quietly(team):
    with team.starts("watch", "--after", "0") as process:
        assert "session.registered" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read() == ""
