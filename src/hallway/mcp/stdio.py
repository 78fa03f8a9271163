"""`hallway mcp`: the MCP server of one session, over standard input and output.

One thread with one `poll` serves the client's messages, wake-ups and heartbeats, and sleeps while there are none.
It imports only the light path, because each session has such a process. A client that does not read its answers delays
only itself. An incomplete last line is ignored. When the input closes, the session ends.
"""

from __future__ import annotations

import math
import os
import select
import sys
import time

from hallway.agents.hook.event import is_switched_off
from hallway.bus.connect import connect
from hallway.core.errors import HallwayError
from hallway.core.redaction import redact
from hallway.core.schema import decode, encode
from hallway.local.presence import client_process
from hallway.mcp.protocol import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    PARSE_ERROR,
    JsonRpcError,
    ListenStream,
    Peer,
    Protocol,
    failed,
)
from hallway.mcp.server import BusServer, changed
from hallway.mcp.session_binding import ANNOUNCE_S, UNNAMED_S, SessionBinding
from hallway.services.wakes import GATHER_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.agents.hook.server import HookServer
    from hallway.agents.turn_watch import TurnWatch
    from hallway.bus.base import Bus
    from hallway.core.model import Event
    from hallway.core.operation import Operation
    from hallway.mcp.merge_trials import MergeTrials
    from hallway.mcp.protocol import Json, Work
    from hallway.store import Subscription

MAX_BYTES = 1024 * 1024  # of a message, as over HTTP
CHUNK = 64 * 1024
MAX_UNREAD = 1024 * 1024  # bytes of answers that the client has not read, beyond which its messages are not read
LOOK_AGAIN_S = 1.0  # how often a waiting call reads the bus even without a wake-up
MAX_WAITS = 100  # calls and subscriptions that wait at once
STUCK_S = 5.0  # how long to try to write the last answers at the end
CALL_S = 5.0  # how long a hub may take to answer a call
ASIDE_S = 0.5  # how long a hub may take for requests that no call asked for, since the client waits meanwhile
REST_S = 10.0  # how long a hub that did not answer is not asked again; calls fail at once meanwhile
TROUBLE_S = 0.1  # pause after an error, so that the loop does not spin


def serve(profile: str = "daily", url: str | None = None) -> None:
    """Serve one client until it closes the input or its process ends.

    The bus is opened at the first use: a client that only lists the tools waits for no database. If the bus cannot be
    opened, the call returns the error, and the next call tries again.
    """
    StdioServer(url, profile).run()


class StdioPeer(Peer):
    """The client at the other end of standard input and output."""

    def __init__(self, server: StdioServer) -> None:
        super().__init__(can_push=True)
        self._server = server

    def session_of(self, arguments: Json, meta: Json, *, is_needed: bool = True) -> str | None:
        return self._server.session_of(meta, is_needed=is_needed)

    def introduce(self, session_id: str) -> None:
        self._server.binding.introduce(session_id)

    def leave_registration(self, session_id: str) -> None:
        self._server.binding.leave_registration(session_id)

    def offer_former_memory(self, project: str | None) -> str | None:
        """Return a hint if the memory of this repository is stored under a former project."""
        return self._server.offer_former_memory(project)

    @property
    def ignores_case(self) -> bool:  # type: ignore[override]
        from hallway.local.repository_paths import ignores_case

        return ignores_case()

    def path_in_repository(self, path: str) -> str:
        """Return an absolute path relative to the repository; another path is that already."""
        from hallway.local.repository_paths import path_in_repository

        return path_in_repository(path) if os.path.isabs(path) else path


class Pending:
    """A call that waits for messages: its generator, and the operation to repeat after a wake-up."""

    __slots__ = ("arguments", "deadline", "operation", "request_id", "work")

    def __init__(self, work: Work, operation: Operation, arguments: Json, request_id: Any) -> None:
        self.work = work
        self.operation = operation
        self.arguments = {**arguments, "wait_s": 0}
        self.request_id = request_id
        self.deadline = time.monotonic() + arguments["wait_s"]


class StdioServer:
    """The server's loop; `run` returns when the client ends."""

    def __init__(self, url: str | None, profile: str) -> None:
        self._url = url
        self._protocol = Protocol(BusServer(profile))
        self._client = StdioPeer(self)
        self._binding: SessionBinding | None = None
        self._hooks: HookServer | None = None
        self._turns: TurnWatch | None = None
        self._merges: MergeTrials | None = None
        self._in = Lines()
        self._lines: list[bytes | None] = []  # lines that are read and not answered yet; the next line is last
        self._out = bytearray()
        self._taken_at = 0.0  # when the client last read output
        self._pending: list[Pending] = []
        self._listening: dict[Any, ListenStream] = {}
        self._events: Subscription | None = None
        self._seen = 0
        self._due_at = math.inf  # time of the next heartbeat; none before the client's first message
        self._listen_at = math.inf  # when to try again to subscribe to all events
        self._wake_at: dict[str, float] = {}  # when to check whether a session needs a wake-up
        self._is_open = True

    @property
    def binding(self) -> SessionBinding:
        """Return the binding to the session, opening the bus if necessary; raises the bus's errors."""
        if self._binding is None:
            bus = connect(self._url)
            bus.timeout_s, bus.rest_s = CALL_S, REST_S
            self._binding = SessionBinding(bus, self._client)
        return self._binding

    def session_of(self, meta: Json, *, is_needed: bool) -> str | None:
        """Return the session that makes a call, if any; a new session gets its first heartbeat soon."""
        session_id = self.binding.session_of(meta, is_needed=is_needed)
        if self.binding.has_unannounced:
            self._due_at = min(self._due_at, time.monotonic() + UNNAMED_S)
        return session_id

    @property
    def _bus(self) -> Bus:
        return self.binding.bus

    def run(self) -> None:
        """Serve until the input closes, the client's process ends, or a signal asks this process to end."""
        was_blocking = os.get_blocking(1)
        ends = {_watch(client_process()), _end_on_signals()} - {-1}
        try:
            os.set_blocking(1, False)
            while self._is_open:
                try:
                    self._turn(ends)
                except HallwayError as error:  # the bus is unusable for now; the agent's next call returns the error
                    sys.stderr.write(f"hallway mcp: {error}\n")
                    time.sleep(TROUBLE_S)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client has closed its end
        finally:
            self._leave()
            self._flush_the_rest(was_blocking)

    def _leave(self) -> None:
        if self._events:
            self._events.close()
        if self._hooks:
            self._hooks.close()
        if self._merges:
            self._merges.close()
        if self._binding:
            self._binding.bus.timeout_s = ASIDE_S
            self._binding.end_all()
            self._binding.bus.close()

    def _turn(self, ends: set[int]) -> None:
        """Wait for input, wake-ups or a deadline and handle them; a readable descriptor in `ends` ends the loop."""
        poll = select.poll()
        if not self._is_full:
            poll.register(0, select.POLLIN)
        if self._out:
            poll.register(1, select.POLLOUT)
        news = self._binding.sockets if self._binding else {}
        hooks = self._listen_for_hooks()
        bindings = self._binding.bindings if self._binding else set()
        trials = {self._merges.fileno()} if self._merges else set()
        for descriptor in {*ends, *news, *hooks, *bindings, *trials} - {-1}:
            poll.register(descriptor, select.POLLIN)
        if self._events and self._events.fileno() >= 0:
            poll.register(self._events.fileno(), select.POLLIN)
        for descriptor, _ in poll.poll(self._patience_ms()):
            if descriptor == 0:
                self._read()
            elif descriptor == 1:
                self._write()
                self._tell_changes()
            elif descriptor in ends:
                self._is_open = False
            elif descriptor in news:
                self._woken(news[descriptor])
            elif descriptor in bindings and self._binding:
                self._binding.drain_bindings()
                self._due_at = time.monotonic()  # a hook has bound a session to this process
            elif self._hooks and descriptor in hooks:
                self._hooks.answer(descriptor)
            elif self._merges and descriptor in trials:
                self._merges.report()
            else:
                self._tell_changes()
        self._answer_lines()
        self._look_at_clock()

    @property
    def _is_full(self) -> bool:
        """Return whether the client has too much unread output, so that its messages wait."""
        return len(self._out) >= MAX_UNREAD

    def _listen_for_hooks(self) -> list[int]:
        """Return the descriptors at which the session's hooks connect; they then need not open the bus themselves."""
        if self._hooks is None and self._binding and self._binding.sessions:
            from hallway.agents.hook.server import HookServer
            from hallway.agents.turn_watch import TurnWatch

            binding = self._binding
            self._turns = TurnWatch(binding.bus, lambda: binding.client)
            self._hooks = HookServer(binding.bus, self._turns)
        if self._hooks is None or self._binding is None:
            return []
        self._hooks.listen(self._binding.sessions)
        return self._hooks.descriptors

    def _patience_ms(self) -> float | None:
        """Return the milliseconds until the next deadline; None if there is no deadline."""
        now = time.monotonic()
        stuck_at = self._taken_at + STUCK_S if self._is_full else math.inf
        looks = (min(now + LOOK_AGAIN_S, each.deadline) for each in self._pending)
        turns_at = self._turns.look_at if self._turns else None
        at = min([self._due_at, self._listen_at, stuck_at, turns_at or math.inf, *self._wake_at.values(), *looks])
        return None if at == math.inf else max(0, (at - now) * 1000)

    def _look_at_clock(self) -> None:
        if time.monotonic() >= self._due_at:
            self._beat()
        if time.monotonic() >= self._listen_at:
            self._listen_when_possible()
        for session_id in [each for each, at in self._wake_at.items() if time.monotonic() >= at]:
            self._wake(session_id)
        if self._turns and (look_at := self._turns.look_at) and time.monotonic() >= look_at:
            self._look_at_turns(self._turns)
        if self._pending:
            self._go_on_pending()
        if self._is_full and time.monotonic() >= self._taken_at + STUCK_S:
            self._taken_at = time.monotonic()
            self._is_open = not _is_closed(0)  # its input is not read meanwhile, so end of file is not seen

    def _look_at_turns(self, turns: TurnWatch) -> None:
        """End the turns whose end no hook reported, and wake their sessions for what came meanwhile."""
        try:
            self._bus.timeout_s = ASIDE_S
            for session_id in turns.look():
                self._wake(session_id)
        except HallwayError as error:  # the next look tries again
            sys.stderr.write(f"hallway mcp: {error}\n")
        finally:
            self._bus.timeout_s = CALL_S

    def _beat(self) -> None:
        try:
            self.binding.bus.timeout_s = ASIDE_S
            self._bus.load_services()  # not before the first answers: they need few of them
            self._work_off_spool()
            self._due_at = self.binding.send_heartbeats()
            self._listen_for_hooks()  # the first heartbeat may have found the session
            for session_id in self.binding.sessions:
                self._wake(session_id)  # a message may have come without a wake-up
                if self._turns:
                    self._turns.resume(session_id)
            self._try_merges()
        except HallwayError as error:  # the agent's next call returns the error; this line is for the log
            self._due_at = time.monotonic() + REST_S
            sys.stderr.write(f"hallway mcp: {error}\n")
        finally:
            if self._binding:
                self._binding.bus.timeout_s = CALL_S

    def _try_merges(self) -> None:
        """Try the merges that the sessions are in conflict over (C3)."""
        if self._merges is None:
            from hallway.mcp.merge_trials import MergeTrials

            self._merges = MergeTrials(self._bus)
        self._merges.begin(self.binding.sessions)

    def _work_off_spool(self) -> None:
        """Run the spooled operations: those that a hook could not finish in time."""
        from hallway.agents.hook.spool import work_off

        work_off(self._bus)

    # -- messages -----------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        data = os.read(0, CHUNK)
        if not data:
            self._is_open = False
            return
        if self._due_at == math.inf:
            self._due_at = time.monotonic() + ANNOUNCE_S
        self._lines[:0] = reversed(self._in.feed(data))

    def _answer_lines(self) -> None:
        while self._lines and not self._is_full:
            self._receive(self._lines.pop())

    def _receive(self, line: bytes | None) -> None:
        """Answer one line; None stands for a line that was too long."""
        if line is None:
            self._send(failed(None, JsonRpcError(INVALID_REQUEST, f"a message has at most {MAX_BYTES} bytes")))
            return
        if not line.strip():
            return
        try:
            message = decode(line)
        except ValueError as error:
            self._send(failed(None, JsonRpcError(PARSE_ERROR, f"a line is one JSON message: {error}")))
            return
        if isinstance(message, dict) and message.get("method") == "notifications/cancelled" and "id" not in message:
            self._cancel(message.get("params"))
        request_id = message.get("id") if isinstance(message, dict) else None
        self._advance(self._protocol.handle(message, self._client), request_id)

    def _advance(self, work: Work, request_id: Any, value: Any = None, error: HallwayError | None = None) -> None:
        """Run a call's generator until it ends or has to wait for messages."""
        try:
            while True:
                operation, arguments = work.throw(error) if error else work.send(value)
                value, error = self._perform(operation, arguments)
                must_wait = error is None and operation.can_wait and not operation.is_news(value, arguments)
                if must_wait and arguments["wait_s"] and self._may_wait:
                    self._pending.append(Pending(work, operation, arguments, request_id))
                    return
        except StopIteration as done:
            self._answered(done.value)
        except Exception as broken:  # the edge between the server and what it runs: a broken answer is not its end
            sys.stderr.write(f"hallway mcp: {type(broken).__name__}: {redact(str(broken))}\n")
            self._send(failed(request_id, JsonRpcError(INTERNAL_ERROR, f"hallway broke: {type(broken).__name__}")))

    def _perform(self, operation: Operation, arguments: Json) -> tuple[Any, HallwayError | None]:
        """Run an operation without waiting; return its result, or its error."""
        if operation.can_wait:
            arguments = {**arguments, "wait_s": 0}
        if arguments.get("detail") and is_switched_off(os.environ, "HALLWAY_DETAIL"):
            arguments = {**arguments, "detail": None}
        try:
            return self._bus.execute(operation, self._bus.service_of(operation.noun), arguments), None
        except HallwayError as error:
            return None, error

    def offer_former_memory(self, project: str | None) -> str | None:
        """Return a hint for a search that found nothing in a project; None if there is none, or the bus fails."""
        from hallway.bus.former_memory import offer_former_memory

        try:
            return offer_former_memory(self._bus, project)
        except HallwayError:
            return None

    def _answered(self, answer: Any) -> None:
        if isinstance(answer, ListenStream) or self._client.watched:
            self._listen_when_possible()
        if isinstance(answer, ListenStream):
            self._begin(answer)
        elif answer is not None:
            self._send(answer)

    def _begin(self, listening: ListenStream) -> None:
        if not self._may_wait:
            fault = JsonRpcError(INVALID_REQUEST, f"at most {MAX_WAITS} calls and subscriptions can wait at once")
            self._send(failed(listening.request_id, fault))
            return
        self._listening[listening.request_id] = listening
        self._send(listening.acknowledged())

    @property
    def _may_wait(self) -> bool:
        """Return whether one more call may wait; else it is answered at once."""
        return len(self._pending) + len(self._listening) < MAX_WAITS

    def _cancel(self, params: Any) -> None:
        """Cancel a waiting call or subscription; ignore the id of any other request."""
        request_id = params.get("requestId") if isinstance(params, dict) else None
        self._pending = [each for each in self._pending if each.request_id != request_id]
        if isinstance(request_id, str | int):
            self._listening.pop(request_id, None)

    # -- wake-ups and notifications -----------------------------------------------------------------------------------

    def _woken(self, session_id: str) -> None:
        """Handle a wake-up for a session."""
        self.binding.drain(session_id)
        self._go_on_pending()
        self._wake_at.setdefault(session_id, time.monotonic() + GATHER_S)
        if (named := self.binding.current_session()) and named not in self.binding.sessions:
            self._due_at = time.monotonic()  # a hook has bound a session to this process

    def _wake(self, session_id: str) -> None:
        """Start a turn in an idle agent for messages that no call waited for."""
        from hallway.agents.wake.waker import Waker

        self._wake_at.pop(session_id, None)
        waker = Waker(self._bus, self.binding.client)
        waker.deliver(session_id)
        if waker.retry_after_s is not None:
            self._wake_at[session_id] = time.monotonic() + waker.retry_after_s

    def _go_on_pending(self) -> None:
        if self._binding:
            self._binding.resubscribe()  # before the bus is read: a message that comes meanwhile then wakes this server
        waiting, self._pending = self._pending, []
        for each in waiting:
            value, error = self._perform(each.operation, each.arguments)
            if error or each.operation.is_news(value, each.arguments) or time.monotonic() >= each.deadline:
                self._advance(each.work, each.request_id, value, error)
            else:
                self._pending.append(each)

    def _listen_when_possible(self) -> None:
        """Subscribe to all events for a client that requested notifications; after an error, try again later."""
        if self._events is not None:
            return
        try:
            events = self._bus.subscribe_events()
            self._seen = self._bus.events.last_seq()
        except HallwayError as error:
            sys.stderr.write(f"hallway mcp: cannot hear of changes yet: {error}\n")
            self._listen_at = time.monotonic() + REST_S
        else:
            self._events, self._listen_at = events, math.inf

    def _tell_changes(self) -> None:
        """Send the requested notifications about changes; they wait while the client does not read its output."""
        if self._events is None:
            return
        self._events.receive()
        session_id = self.binding.current_session()
        while len(self._out) < MAX_UNREAD and (events := self._new_events()):
            project = self._bus.sessions.current_project(session_id)
            for uri in dict.fromkeys(uri for event in events for uri in changed(event, session_id or "", project)):
                self._tell(uri)

    def _new_events(self) -> list[Event]:
        try:
            events = self._bus.events.read(self._seen, limit=200)
        except HallwayError:
            return []  # the bus cannot be reached; the next change sends the missed notifications, too
        self._seen = events[-1].seq if events else self._seen
        return events

    def _tell(self, uri: str | None) -> None:
        for listening in self._listening.values():
            if note := listening.about(uri):
                self._send(note)
        if uri is None and self._client.version:
            self._send({"jsonrpc": "2.0", "method": "notifications/resources/list_changed"})
        elif uri in self._client.watched:
            self._send({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": uri}})

    # -- output -------------------------------------------------------------------------------------------------------

    def _send(self, message: Any) -> None:
        self._out += _encoded(message).encode("utf-8", "replace") + b"\n"
        self._write()

    def _write(self) -> None:
        """Write as much output as the client reads without blocking."""
        try:
            while self._out:
                del self._out[: os.write(1, self._out)]
                self._taken_at = time.monotonic()
        except BlockingIOError:
            pass

    def _flush_the_rest(self, was_blocking: bool) -> None:
        """Write the last answers if the client still reads, then restore standard output."""
        deadline = time.monotonic() + STUCK_S
        try:
            while self._out and time.monotonic() < deadline:
                poll = select.poll()
                poll.register(1, select.POLLOUT)
                poll.poll(100)
                self._write()
            os.set_blocking(1, was_blocking)
        except OSError:
            pass


def _encoded(message: Any) -> str:
    """Return a message as one line; a tool's structured content is copied from its text, which is already JSON."""
    result = message.get("result", {}) if isinstance(message, dict) else {}
    if "structuredContent" not in result:
        return encode(message)
    rest = {name: value for name, value in result.items() if name != "structuredContent"}
    text = result["content"][0]["text"]
    return f'{encode({**message, "result": rest})[:-2]},"structuredContent":{text}}}}}'


class Lines:
    """A splitter of chunks into lines; a line that is too long is dropped and returned as None."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._is_too_long = False

    def feed(self, data: bytes) -> list[bytes | None]:
        *ended, rest = data.split(b"\n")
        lines: list[bytes | None] = []
        for part in ended:
            self._keep(part)
            lines.append(None if self._is_too_long else bytes(self._rest))
            self._rest.clear()
            self._is_too_long = False
        self._keep(rest)
        return lines

    def _keep(self, part: bytes) -> None:
        self._is_too_long = self._is_too_long or len(self._rest) + len(part) > MAX_BYTES
        if self._is_too_long:
            self._rest.clear()
        else:
            self._rest += part


def _is_closed(descriptor: int) -> bool:
    """Return whether the other end of a pipe is closed, even if unread data is in the pipe."""
    poll = select.poll()
    poll.register(descriptor, 0)
    return bool(poll.poll(0))


def _watch(pid: int) -> int:
    """Return a descriptor that becomes readable when a process ends; -1 if the system does not support this."""
    try:
        return os.pidfd_open(pid) if hasattr(os, "pidfd_open") and pid > 1 else -1
    except OSError:
        return -1


def _end_on_signals() -> int:
    """Return a descriptor that becomes readable once a signal asks this process to end.

    The signal handler does nothing, so a write in progress is completed; the loop ends between two messages.
    """
    import _signal  # type: ignore[import-not-found]  # the C module alone: `signal` imports enum for wrappers unused here

    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        if hasattr(_signal, name):
            _signal.signal(getattr(_signal, name), lambda number, frame: None)
    _signal.set_wakeup_fd(writer)
    return reader
