"""The way to a session's terminal: a command for tmux, else what is known of the place."""

from __future__ import annotations

import os
import shutil
import subprocess
from subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING

import pytest

from hallway.text.terminal_place import way_to_terminal
from support import until

if TYPE_CHECKING:
    from pathlib import Path

TMUX = {"pane": "%3", "socket": "/tmp/tmux-0/default", "session": "$1"}
ATTACH = r"tmux -S /tmp/tmux-0/default attach -t '$1' \; select-window -t %3 \; select-pane -t %3"


@pytest.mark.parametrize(
    ("terminal", "way"),
    [
        (None, ""),
        ("a text", ""),
        ({}, ""),
        ({"tmux": TMUX}, ATTACH),
        ({"tmux": TMUX, "tty": "/dev/pts/3", "pid": 7}, f"{ATTACH} (/dev/pts/3, process 7)"),
        ({"program": "kitty", "window": "2", "folder": "/src/shop"}, "kitty window 2, in /src/shop"),
        ({"pid": 7, "folder": "/src/shop"}, "process 7, in /src/shop"),
        ({"tmux": {**TMUX, "pane": "%3; rm -rf ~"}}, ""),
        ({"tmux": {**TMUX, "pane": ["%3"]}, "tty": "/dev/pts/3"}, "/dev/pts/3"),
        ({"tmux": {**TMUX, "socket": "default"}}, ""),
        ({"tty": "\x1b[2Jx", "pid": "7"}, "?[2Jx"),
    ],
)
def test_the_way_is_what_is_known_of_the_terminal(terminal: object, way: str) -> None:
    assert way_to_terminal(terminal) == way.replace("?[2Jx", way_to_terminal({"tty": "\x1b[2Jx"}))
    assert "\x1b" not in way_to_terminal(terminal)


def test_a_socket_with_odd_signs_is_one_word_of_the_command() -> None:
    way = way_to_terminal({"tmux": {**TMUX, "socket": "/tmp/a b;rm -rf ~"}})
    assert way.startswith("tmux -S '/tmp/a b;rm -rf ~' attach -t '$1' ")


def test_inside_of_the_same_tmux_the_client_is_switched() -> None:
    assert way_to_terminal({"tmux": TMUX}, {"TMUX": "/tmp/tmux-0/default,99,0"}) == "tmux switch-client -t %3"
    assert way_to_terminal({"tmux": TMUX}, {"TMUX": "/tmp/tmux-0/other,99,0"}) == ATTACH


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
def test_the_command_shows_the_pane_of_a_real_tmux(tmp_path: Path) -> None:
    socket = str(tmp_path / "tmux")

    def tmux(*words: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", socket, *words],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "TERM": "xterm"},
        )
        return done.stdout.strip()

    tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24")
    try:
        pane, session = tmux("list-panes", "-F", "#{pane_id} #{session_id}").split()
        tmux("new-window")
        tmux("split-window")
        assert tmux("display-message", "-p", "#{pane_id}") != pane
        way = way_to_terminal({"tmux": {"pane": pane, "socket": socket, "session": session}})
        environ = {**os.environ, "TERM": "xterm", "TMUX": ""}
        with subprocess.Popen(["script", "-qc", way, "/dev/null"], stdin=PIPE, stdout=DEVNULL, env=environ):
            until(lambda: tmux("list-clients", "-F", "#{pane_id}") == pane)
            tmux("kill-server")
    except BaseException:
        tmux("kill-server")
        raise
