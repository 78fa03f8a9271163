"""Where a session's terminal is, so that a person can be told how to get there; recorded when the session starts.

It names places and no contents: tmux's pane, the terminal program and its window, the tty, the process, the folder.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

MAX_TEXT = 200
# Terminal programs by a variable that each sets for its windows, which names the window where the value may be shown.
PROGRAMS = {
    "KITTY_WINDOW_ID": "kitty",
    "WEZTERM_PANE": "WezTerm",
    "ITERM_SESSION_ID": "iTerm.app",
    "GHOSTTY_RESOURCES_DIR": "ghostty",
    "ALACRITTY_WINDOW_ID": "Alacritty",
    "KONSOLE_DBUS_WINDOW": "konsole",
    "GNOME_TERMINAL_SCREEN": "gnome-terminal",
    "WT_SESSION": "Windows Terminal",
    "ZELLIJ_PANE_ID": "zellij",
    "STY": "screen",
}
WITHOUT_WINDOW = frozenset({"GHOSTTY_RESOURCES_DIR"})


def describe(pid: int, folder: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return where the terminal of a client's process is: the parts that are known.

    `tmux` has the pane, its session and the server's socket, as `tmux -S SOCKET switch-client -t PANE` takes them.
    """
    place = {
        "tmux": _tmux(environ),
        "program": _program(environ),
        "window": next((environ[name] for name in PROGRAMS if environ.get(name) and name not in WITHOUT_WINDOW), ""),
        "tty": _tty(pid),
        "pid": pid,
        "folder": folder,
    }
    return {name: _bounded(value) for name, value in place.items() if value}


def _tmux(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what tmux tells its programs: `TMUX` is the socket, the server's process and the session's number."""
    pane = environ.get("TMUX_PANE", "")
    socket, _, session = environ.get("TMUX", "").rsplit(",", 2) if environ.get("TMUX", "").count(",") > 1 else ("",) * 3
    if not pane or not socket:
        return {}
    return {"pane": pane, "socket": socket, **({"session": f"${session}"} if session.isdecimal() else {})}


def _program(environ: Mapping[str, str]) -> str:
    """Return the name of the terminal program; inside tmux, of the one in which tmux was started, where that shows."""
    named = environ.get("TERM_PROGRAM", "")
    if named and named != "tmux":
        return named
    return next((program for name, program in PROGRAMS.items() if environ.get(name)), named)


def _tty(pid: int) -> str:
    """Return the terminal device of a process; empty if it has none, or the system does not tell."""
    for number in (0, 1, 2):
        try:
            path = os.readlink(f"/proc/{pid}/fd/{number}")
        except OSError:
            continue
        if path.startswith(("/dev/pts/", "/dev/tty")):
            return path
    return ""


def _bounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _bounded(each) for name, each in value.items()}
    return "".join(c for c in value[:MAX_TEXT] if c.isprintable()) if isinstance(value, str) else value
