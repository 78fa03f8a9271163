"""Claude Code: the session's own inbox socket, written by a process that the session itself has started.

Its model is shown the words as another session's. They arrive between two tool calls, or start a turn.
"""

from __future__ import annotations

import _socket as socket
import os
import stat

from hallway.core.schema import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

SOCKET = "CLAUDE_CODE_MESSAGING_SOCKET"
TOKEN = "CLAUDE_CODE_MESSAGING_TOKEN"  # noqa: S105 (a variable's name)
PATIENCE_S = 1.0


def deliver(session_id: str, words: str, client: int, environ: Mapping[str, str]) -> bool:
    """Write to the inbox; whether it was there."""
    path = environ.get(SOCKET, "")
    if not is_reachable(environ):
        return False
    lines = [{"type": "auth", "token": environ[TOKEN]}] if environ.get(TOKEN) else []
    requests = [*lines, {"type": "user", "message": {"role": "user", "content": words}}]
    return send(path, "".join(f"{encode(line)}\n" for line in requests))


def is_reachable(environ: Mapping[str, str]) -> bool:
    """Return whether the session has an inbox socket of its own and a person's terminal; a session in print mode ends
    with its turn.
    """
    return environ.get("CLAUDE_CODE_ENTRYPOINT") == "cli" and is_own_socket(environ.get(SOCKET, ""))


def is_own_socket(path: str) -> bool:
    """Return whether a path is a socket that this user owns; its folder may be writable by everybody."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISSOCK(status.st_mode) and status.st_uid == os.getuid()


def send(path: str, text: str) -> bool:
    """Write to a socket and close it; whether somebody was there."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(PATIENCE_S)
        connection.connect(path)
        left = text.encode("utf-8", "replace")
        while left:
            left = left[connection.send(left) :]
        connection.shutdown(socket.SHUT_WR)
        return True
    except OSError:
        return False
    finally:
        connection.close()
