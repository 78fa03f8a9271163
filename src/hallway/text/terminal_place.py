"""The way to a session's terminal, from what its hooks recorded (`local/session_terminal.py`).

Any program may have written the record, and people paste commands: only what has tmux's form becomes part of one.
"""

from __future__ import annotations

from hallway.text.sanitize import sanitize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def way_to_terminal(terminal: Any, environ: Mapping[str, str] | None = None) -> str:
    """Return where a terminal is, in a line, with the command that goes there if it is in tmux; empty if not known.

    `environ` is the reader's environment: inside of the same tmux another command is needed.
    """
    if not isinstance(terminal, dict):
        return ""
    command = _tmux_command(terminal.get("tmux"), environ or {})
    window = _text(terminal, "window")
    program = " window ".join(filter(None, (_text(terminal, "program"), window)))
    pid = terminal.get("pid")
    process = f"process {pid}" if isinstance(pid, int) else ""
    folder = f"in {_text(terminal, 'folder')}" if _text(terminal, "folder") else ""
    place = ", ".join(filter(None, (program, _text(terminal, "tty"), process, folder)))
    return f"{command} ({place})" if command and place else command or place


def _tmux_command(tmux: Any, environ: Mapping[str, str]) -> str:
    """Return the command that shows a pane; empty for what is no pane of a tmux."""
    if not isinstance(tmux, dict):
        return ""
    pane, session, socket = (str(tmux.get(name) or "") for name in ("pane", "session", "socket"))
    if not _is_numbered(pane, "%") or not socket.startswith("/"):
        return ""
    from shlex import quote

    if environ.get("TMUX", "").startswith(f"{socket},"):
        return f"tmux switch-client -t {quote(pane)}"
    target = session if _is_numbered(session, "$") else pane
    select = rf"\; select-window -t {quote(pane)} \; select-pane -t {quote(pane)}"
    return f"tmux -S {quote(sanitize(socket))} attach -t {quote(target)} {select}"


def _is_numbered(text: str, sign: str) -> bool:
    return text[:1] == sign and text[1:].isascii() and text[1:].isdigit()


def _text(terminal: dict[str, Any], name: str) -> str:
    value = terminal.get(name)
    return sanitize(value) if isinstance(value, str) else ""
