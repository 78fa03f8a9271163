"""Answers hooks (`server_client.py`) in the session's MCP server, in the loop that answers the client."""

from __future__ import annotations

import _socket as socket
import os

from hallway.agents.client_parts import adapter_of
from hallway.agents.hook.event import EDIT, HookEvent
from hallway.agents.hook.handler import HookHandler
from hallway.agents.hook.spool import work_off
from hallway.agents.hook.state import RelayedState
from hallway.core.schema import decode, encode
from hallway.local.client_catalog import CATALOG
from hallway.local.hook_gate import SOCKETS, socket_of
from hallway.local.paths import make_private_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.agents.hook.event import Payload
    from hallway.agents.turn_watch import TurnWatch
    from hallway.bus.base import Bus

PATIENCE_S = 0.2  # a hook writes at once; another program that connects is cut off after this time
MAX_REQUEST = 4 * 1024 * 1024


class HookServer:
    """Listens for the hooks of sessions on one bus."""

    def __init__(self, bus: Bus, turns: TurnWatch) -> None:
        self._bus = bus
        self._turns = turns
        self._listening: dict[str, socket.socket] = {}

    def listen(self, session_ids: list[str]) -> None:
        """Listen only for the hooks of these sessions; if listening fails, their hooks work without the server."""
        for session_id in self._listening.keys() - set(session_ids):
            self._close(session_id)
        for session_id in session_ids:
            if session_id not in self._listening and (bound := self._bound(session_id)):
                self._listening[session_id] = bound

    def _bound(self, session_id: str) -> socket.socket | None:
        path = socket_of(self._bus.folder, session_id)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            make_private_folder(os.path.join(self._bus.folder, SOCKETS))
            _unlink(path)
            listening.bind(path)
            listening.listen(8)
            listening.setblocking(False)
        except OSError:  # a folder that cannot be written, or too long a path
            listening.close()
            return None
        return listening

    @property
    def descriptors(self) -> list[int]:
        return [each.fileno() for each in self._listening.values()]

    def answer(self, descriptor: int) -> None:
        """Answer a hook that has connected, waiting for it only briefly, and watch the turn. Never raises."""
        for listening in self._listening.values():
            if listening.fileno() == descriptor:
                self._accept(listening)

    def _accept(self, listening: socket.socket) -> None:
        try:
            file, _ = listening._accept()  # type: ignore[attr-defined]  # what `accept` of the wrapper calls
        except OSError:
            return
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, file)
        try:
            connection.settimeout(PATIENCE_S)
            self._answer_request(connection)
        except (OSError, ValueError, KeyError):
            pass  # it went away, or was no hook
        finally:
            connection.close()

    def _answer_request(self, connection: socket.socket) -> None:
        request = decode(_read_line(connection))
        state = RelayedState(request)
        if request["client"] not in CATALOG:
            return
        handler = HookHandler(self._bus, adapter_of(request["client"]), state)
        event = _event(request)
        try:
            if event.kind != EDIT:  # which changes nothing
                self._turns.handle_event(request["client"], event)
                work_off(self._bus)
            answer = handler.handle(event) or {}
            reply: dict[str, Any] = {
                "answer": answer,
                "last_seq": state.last_seq,
                "held": state.held,
                "is_fresh": state.is_fresh,
                "pending": state.pending,
            }
        except Exception as error:  # the hook logs it
            reply = {"error": f"{type(error).__name__}: {error}"}
        connection.sendall(f"{encode(reply)}\n".encode("utf-8", "replace"))
        if connection.recv(1):
            handler.mark_delivered()

    def _close(self, session_id: str) -> None:
        self._listening.pop(session_id).close()
        _unlink(socket_of(self._bus.folder, session_id))

    def close(self) -> None:
        self.listen([])


def _event(request: Payload) -> HookEvent:
    event = HookEvent(request["kind"], request["event_name"], request["session_id"], request["directory"])
    for name in HookEvent.__slots__:
        setattr(event, name, request[name])
    return event


def _read_line(connection: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        part = connection.recv(65536)
        if not part or len(data) > MAX_REQUEST:
            raise ValueError("it is no request")
        data += part
    return data


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
