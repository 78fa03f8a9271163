"""A hook asks the session's own MCP server, which has the bus open, to do its work: an eighth of the imports.

The server listens for it beside the bus (`server.py`). Where it does not, or says nothing in time, the hook does the
work itself.
"""

from __future__ import annotations

import _socket as socket

from hallway.agents.hook.event import HookEvent
from hallway.agents.hook.light_json import dumps, loads
from hallway.local.hook_gate import socket_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.agents.hook.event import Payload
    from hallway.agents.hook.state import HookState, SpooledState

PATIENCE_S = 0.2
MAX_COMMAND = 256 * 1024  # with the texts that it writes
MAX_PROMPT = 16 * 1024  # its first line is the task, and what woke the session is within a kilobyte of its start


class ServerReply:
    """A request to the session's server; `answer` is the hook's output for the client, empty for none."""

    def __init__(self, connection: socket.socket, answer: Payload) -> None:
        self._connection = connection
        self.answer = answer

    def mark_delivered(self) -> None:
        """Tell the server that the client has received the answer."""
        self._connection.send(b"\n")


def ask(folder: str, client: str, event: HookEvent, state: HookState | SpooledState) -> ServerReply | None:
    """Ask the session's server to handle a hook event and return its reply; None if no server answers.

    Raises RuntimeError with what went wrong in the server.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(PATIENCE_S)
    request = {name: getattr(event, name) for name in HookEvent.__slots__}
    request |= {
        "client": client,
        "prompt": event.prompt[:MAX_PROMPT],
        "detail": event.detail[:MAX_PROMPT],
        "command": event.command[:MAX_COMMAND],
        "last_seq": state.last_seq,
        "held": state.held,
        "is_registered": state.is_registered,
        "is_fresh": state.is_fresh,
        "pending": state.pending,
    }
    try:
        connection.connect(socket_of(folder, event.session_id))
        connection.sendall((dumps(request) + "\n").encode("ascii"))
        reply = loads(_line(connection).decode("utf-8"))
    except (OSError, ValueError):
        connection.close()
        return None
    if "error" in reply:
        raise RuntimeError(reply["error"])
    state.last_seq, state.held, state.is_registered = reply["last_seq"], reply["held"], True
    state.is_fresh, state.pending = reply["is_fresh"], reply["pending"]
    return ServerReply(connection, reply["answer"])


def _line(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
        if part.endswith(b"\n"):
            break
    return b"".join(parts)
