"""The quick parser and argparse are one command line."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from hallway.cli.run import parse_fast

CASES = [
    ("heartbeat", "s1"),
    ("heartbeat", "s1", "--task", "mend the login"),
    ("heartbeat", "--task", "first", "s1", "--task", "last"),
    ("heartbeat", "s1", "--json"),
    ("--json", "heartbeat", "s1"),
    ("heartbeat", "s1", "--task", ""),
    ("heartbeat", "s1", "--task=equals"),
    ("heartbeat", "s1", "--task", "-x"),
    ("heartbeat", "s1", "--task"),
    ("heartbeat", "s1", "--tas", "abbreviated"),
    ("heartbeat", "--", "-s1"),
    ("heartbeat", ""),
    ("heartbeat", "a/b"),
    ("heartbeat", "*"),
    ("heartbeat"),
    ("heartbeat", "s1", "s2"),
    ("heartbeat", "s1", "--ttl", "ten"),
    ("heartbeat", "s1", "--ttl", "-5"),
    ("heartbeat", "s1", "--ttl", "0"),
    ("heartbeat", "s1", "--status", "asleep"),
    ("heartbeat", "s1", "--status", "asleep", "--json"),
    ("heartbeat", "s1", "--limit", "1"),
    ("heartbeat", "s1", "--no-such-flag"),
    ("heartbeat", "s1", "--task", "esc\x1b[31m"),
    ("heartbeat", "s1", "--task", "bidi\u202eabc"),
    ("list", "--all"),
    ("ps", "--all"),
    ("session", "list"),
    ("session", "show", "s1", "--json"),
    ("list", "--all", "--project", "github.com/acme/shop"),
    ("register", "s1", "alice", "script", "--capabilities", " a, b ,", "--metadata", '{"a":[1]}'),
    ("register", "s1", "alice", "script", "--metadata", "[1]"),
    ("register", "s1", "alice", "script", "--metadata", "{"),
    ("status", "s1", "idle"),
    ("show", "s1", "--json"),
    ("end", "nobody"),
    ("inbox", "s1"),
    ("inbox", "s1", "--type", "ping,sync", "--new", "--after", "0"),
    ("inbox", "me", "--json"),
    ("messages", "s1", "--no-broadcasts", "--unread"),
    ("messages", "s1", "--include-broadcasts"),
    ("send", "s1"),
    ("send", "s1", "s2", "subject", "body", "more"),
    ("send", "s1", "s2", "--type", "letter", "subject"),
    ("send", "me", "s2", "the same", "--key", "k"),
    ("broadcast", "s1", "--key", "b", "the same"),
    ("broadcast", "*", "subject"),
    ("task", "list", "--all"),
    ("task", "offer", "s1", "s2", "mend it", "--key", "t"),
    ("task", "accept", "s1"),
    ("memory", "search"),
    ("memory", "search", "token", "--tags", "a,b", "--type", "fact"),
    ("memory", "get", "nothing", "--all"),
    ("memory", "set", "s1", "k", "-5", "--if-version", "7"),
    ("broadcast", "--key", "c", "s1", "a", "--priority", "low", "b", "--frob"),
    ("memory", "set", "s1", "k", "v", "--ttl", "2h", "--if-version", "7"),
    ("prune", "--older-than", "30d"),
    ("prune", "--older-than", "x"),
]


def without_times(text: str) -> str:
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+Z)?", "TIME", text)
    return re.sub(r"\b\d+s\b|(?<=(?:silent|status)_s\":)\d+", "AGE", text)


@pytest.mark.parametrize("words", [case if isinstance(case, tuple) else (case,) for case in CASES])
def test_both_parsers_give_the_same_answer(team, words):
    team.types(*words)  # so that both find the bus as the command leaves it
    plain, full = team.types(*words), team.types_fully(*words)
    assert plain.returncode == full.returncode
    assert without_times(plain.stdout) == without_times(full.stdout)
    assert plain.stderr == full.stderr


def test_bytes_that_are_no_utf_8_are_refused_by_both(team):
    for command in (team.command("heartbeat"), [sys.executable, "-m", "hallway", "--json", "heartbeat"]):
        done = subprocess.run([*command, b"s\xff1"], env=team.environ, capture_output=True, check=False)
        assert done.returncode == 2
        assert b"\xff" not in done.stderr
        assert b"control characters" in done.stderr


@pytest.mark.parametrize(
    "words", [["--help"], ["heartbeat"], ["heartbeat", "-h"], ["heartbeat", "s1", "--url", "x"], ["doctor"], []]
)
def test_what_is_not_plain_is_left_to_argparse(words):
    assert parse_fast(words) is None


def test_a_plain_command_imports_nothing_heavy(team):
    code = (
        "import os, sys, hallway.__main__\n"
        "leave = os._exit\n"
        "os._exit = lambda status: (print(*sorted(sys.modules)), sys.stdout.flush(), leave(status))\n"
        "sys.argv = ['hallway', 'heartbeat', 's1']\n"
        "hallway.__main__.main()\n"
    )
    done = team.runs([sys.executable, "-c", code])
    assert done.returncode == 0
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "apsw" in loaded
    heavy = {"argparse", "asyncio", "dataclasses", "datetime", "hashlib", "inspect", "json", "msgspec", "re", "typing"}
    assert not loaded & heavy
