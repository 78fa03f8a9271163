"""A hook asks the session's own MCP server, which has the bus open, to do its work: an eighth of the imports.

The server listens for it beside the bus (`serving.py`). Where it does not, or says nothing in time, the hook does the
work itself.
"""

from __future__ import annotations

import _socket as socket

from hallway.agents.hook.moment import Moment
from hallway.agents.hook.wire import read, written
from hallway.quiet import socket_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.agents.hook.moment import Payload
    from hallway.agents.hook.notes import Notes

PATIENCE_S = 0.2
PROMPT_MOST = 16 * 1024  # its first line is the task, and what woke the session is within a kilobyte of its start


class Asked:
    """One question to a server. `answer` is what the client should be answered; empty for nothing."""

    def __init__(self, connection: socket.socket, answer: Payload) -> None:
        self._connection = connection
        self.answer = answer

    def taken(self) -> None:
        """The client has it."""
        self._connection.send(b"\n")


def ask(folder: str, client: str, moment: Moment, notes: Notes) -> Asked | None:
    """Have the server answer a moment, and what it should be remembered; None where no server does.

    Raises RuntimeError with what went wrong in the server.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(PATIENCE_S)
    question = {name: getattr(moment, name) for name in Moment.__slots__}
    question |= {
        "client": client,
        "prompt": moment.prompt[:PROMPT_MOST],
        "told": notes.told,
        "held": notes.held,
        "known": notes.known,
        "fresh": notes.fresh,
        "pending": notes.pending,
    }
    try:
        connection.connect(socket_of(folder, moment.session_id))
        connection.sendall((written(question) + "\n").encode("ascii"))
        said = read(_line(connection).decode("utf-8"))
    except (OSError, ValueError):
        connection.close()
        return None
    if "trouble" in said:
        raise RuntimeError(said["trouble"])
    notes.told, notes.held, notes.known = said["told"], said["held"], True
    notes.fresh, notes.pending = said["fresh"], said["pending"]
    return Asked(connection, said["answer"])


def _line(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
        if part.endswith(b"\n"):
            break
    return b"".join(parts)
