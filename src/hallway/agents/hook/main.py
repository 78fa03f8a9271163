"""`hallway hook CLIENT`: reads a hook's payload, has the event handled, writes what the agent should see, and exits.

A hook runs inside somebody else's work and must not disturb it (A1): it exits with 0 whatever happens, writes one JSON
object or nothing, and gives up after `BUDGET_MS`. Errors go to a log that `hallway doctor` reads. Cheap steps come
first: most runs end before anything but `os` is imported.
"""

from __future__ import annotations

import _thread
import os
import time

from hallway.agents.client_parts import adapter_of
from hallway.agents.hook.event import (
    DENY,
    EDIT,
    END,
    NEWS,
    OFF,
    PROMPT,
    START,
    STOP,
    TOOL,
    WARN,
    WOKEN,
    is_switched_off,
    keeps_prompts_off,
)
from hallway.agents.hook.light_json import dumps, loads
from hallway.agents.hook.process import parent_process
from hallway.agents.hook.state import HookState, SpooledState
from hallway.local.client_catalog import CATALOG
from hallway.local.hook_gate import (
    EDITS_SUFFIX,
    WAITER,
    file_of,
    forget_edits,
    forget_old,
    is_snoozed,
    link,
    mark_due,
    snooze,
    socket_of,
    unlink,
)
from hallway.local.paths import HUBS, bus_address, bus_file, bus_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from hallway.agents.hook.event import ClientAdapter, HookEvent, Payload

BUDGET_MS = 300  # HALLWAY_HOOK_BUDGET_MS
MAX_PAYLOAD = 32 * 1024 * 1024
IDLE = "idle"  # wait beside an idle session: the one hook that may take long, and end with another status
SILENT = "hub-silent"  # a file as old as the last hook that waited for a hub in vain
REST_S = 10.0
SPOOL = "spool"  # see spool.py


def main(words: list[str]) -> NoReturn:
    """Run the hook of a client, and leave without tidying up."""
    client = words[0] if words else ""
    has_output = _fill_standard_files()
    run = HookRun(client, has_output=has_output)
    try:
        if client not in CATALOG:
            raise ValueError(f"there is no client {client!r}; there are {', '.join(CATALOG)}")
        if IDLE in words[1:]:
            os._exit(run.wait_idle(_read_payload()[1]))
        _thread.start_new_thread(run.exit_at_deadline, ())
        run.handle(*_read_payload(), "".join(words[1:2]))
    except Exception as error:  # the edge between the client and hallway
        if not isinstance(error, _Deferred):
            run.log_error(f"{type(error).__name__}: {error}")
        if getattr(error, "is_passing", False):
            run.spool()
    os._exit(0)


class _Deferred(Exception):
    """The event is spooled without a try: another process is running the spool, or the hub did not answer lately."""

    is_passing = True


class HookRun:
    """One run of a hook."""

    def __init__(self, client: str, *, has_output: bool = True) -> None:
        self.client = client
        self._has_output = has_output
        self.url = bus_address()
        self.folder = bus_folder(self.url)
        self._is_answered = False
        self._event: HookEvent | None = None  # what is to be done, once it is known
        self._parent = os.getppid()
        self._process = 0  # the client's, once it is noted

    def exit_at_deadline(self) -> None:
        """End the process when its time is up, whatever it hangs in."""
        budget_ms = _budget_ms()
        time.sleep(budget_ms / 1000)
        if not self._is_answered:
            self.log_error(f"gave up after {budget_ms} ms")
            self.spool()
            if self._is_remote:
                _update_time(os.path.join(self.folder, SILENT))
        os._exit(0)

    @property
    def _is_remote(self) -> bool:
        return bool(self.url and self.url.startswith(HUBS))

    def _is_hub_silent(self) -> bool:
        """Return whether the hub did not answer a hook in the last seconds; the next hooks do not wait for it again."""
        try:
            return self._is_remote and time.time() - os.stat(os.path.join(self.folder, SILENT)).st_mtime < REST_S
        except OSError:
            return False

    def spool(self) -> None:
        """Spool the event for the next hook, the session's server or the next command."""
        from hallway.agents.hook.spool import append

        event, self._event = self._event, None
        try:
            if event is None or event.kind == NEWS:
                return
            if not append(self.folder, self.client, event):
                self.log_error("the spool is full: what happened is lost")
            mark_due(self.folder, [event.session_id])  # so that the session's next hook runs
        except OSError as error:
            self.log_error(f"the spool cannot be written: {error}")

    def log_error(self, what: str) -> None:
        from hallway.agents.hook import log

        log.note(self.folder, self.client or "hook", what)

    def wait_idle(self, payload: Payload) -> int:
        from hallway.agents.wake.rewake_hook import wait_idle

        return wait_idle(self.folder, self.url, payload, os.environ)

    def handle(self, raw: bytes, payload: Payload, event_name: str) -> None:
        adapter = adapter_of(self.client)
        event = adapter.read(payload, event_name, os.environ)
        if event is None:
            return
        if keeps_prompts_off(os.environ) and WOKEN not in event.prompt:
            event.prompt = ""  # what the user says stays in the session
        if is_switched_off(os.environ, "HALLWAY_DETAIL"):
            event.detail = ""  # neither does what it answers or asks leave the session
        gate_file = _gate_file(self.folder, event.session_id)
        if event.kind == EDIT:
            self._check_edit(adapter, event, gate_file)
            return
        is_small = event.kind == TOOL and not event.files
        if is_small and is_snoozed(gate_file):
            return
        state = HookState(gate_file)
        if state.is_first(raw) or event.kind == END:  # two terminals may send the same bytes for it
            event.name = state.new_name(event.name)
            self._event = event
            _update_gate(gate_file, event.kind, looks_idle=adapter.asks_when_idle)
            self._link_process(event)
            if not (
                self._ask_server(event, state)
                or (is_small and state.is_registered and self._send_fast_heartbeat(event, state))
            ):
                self._handle_here(adapter, event, state, gate_file)
            self._event = None
        state.save()

    def _check_edit(self, adapter: ClientAdapter, event: HookEvent, gate_file: str) -> None:
        """Answer for a tool that is about to write files: the edit goes on unless the answer denies it."""
        setting = os.environ.get("HALLWAY_CLAIMS", "").lower() or DENY
        if setting in OFF or is_snoozed(gate_file + EDITS_SUFFIX):
            return
        if setting not in (DENY, WARN):
            self.log_error(f"HALLWAY_CLAIMS is {setting[:40]!r}: it is deny, warn or off, and deny is taken")
        event.reason = WARN if setting == WARN else DENY
        state = SpooledState(is_registered=True)
        if self._ask_server(event, state):
            return
        if self._is_hub_silent():
            raise _Deferred
        from hallway.agents.hook.handler import HookHandler
        from hallway.bus.connect import connect

        if event.directory:
            _enter(event.directory)
        with connect(self.url) as bus:
            answer = HookHandler(bus, adapter, state).handle(event)
            self._is_answered = True
            if answer and self._has_output:
                _write(dumps(answer))

    def _ask_server(self, event: HookEvent, state: HookState | SpooledState) -> bool:
        """Return whether the session's own server handled the event; it is not asked about a start or an end."""
        if event.kind in (START, END) or not os.path.exists(socket_of(self.folder, event.session_id)):
            return False
        from hallway.agents.hook.server_client import ask

        reply = ask(self.folder, self.client, event, state)
        if reply is None:
            return False
        self._is_answered = True
        if reply.answer and self._has_output:
            _write(dumps(reply.answer))
            reply.mark_delivered()
        return True

    def _send_fast_heartbeat(self, event: HookEvent, state: HookState) -> bool:
        """Return whether a heartbeat was all there was to do, and was sent."""
        if os.path.exists(os.path.join(self.folder, SPOOL)):
            return False
        if self.url and (self.url.startswith(HUBS) or (not self.url.startswith("sqlite:") and "://" in self.url)):
            return False
        from hallway.agents.hook.fast_heartbeat import send_heartbeat

        last = send_heartbeat(bus_file(self.url), event.session_id, state.last_seq)
        state.last_seq = state.last_seq if last is None else last
        return last is not None

    def _handle_here(self, adapter: ClientAdapter, event: HookEvent, state: HookState, gate_file: str) -> None:
        from hallway.agents.hook.handler import HookHandler
        from hallway.agents.hook.spool import work_off
        from hallway.bus.connect import connect

        if event.directory:
            _enter(event.directory)
        if event.kind in (START, PROMPT, END):
            self._bind_process(event, adapter)
        if self._is_hub_silent():
            raise _Deferred
        if event.kind == END and self._is_open_elsewhere(event):
            return
        with connect(self.url) as bus:
            if not work_off(bus):
                raise _Deferred
            handler = HookHandler(bus, adapter, state)
            answer = handler.handle(event)
            self._is_answered = True
            if answer and self._has_output:
                _write(dumps(answer))
                handler.mark_delivered()
            if event.kind == START and self._is_client_gone():
                from hallway.local.presence import GONE

                bus.sessions.end(event.session_id, GONE)
        if event.kind == PROMPT:
            self._notify_server()  # it was not asked, so it does not watch the turn yet
        if event.kind == END:
            state.remove()
            forget_edits(self.folder, event.session_id)
            for path in (gate_file, f"{gate_file}{WAITER}"):
                _unlink(path)

    def _link_process(self, event: HookEvent) -> None:
        """Set a link from the process to the session's gate file, for a client that names no session to the shell."""
        if not CATALOG[self.client].links_process or event.kind not in (START, PROMPT, END):
            return
        if event.kind != PROMPT:
            unlink(self.folder, parent_process())
        if event.kind != END:
            link(self.folder, parent_process(), event.session_id)

    def _bind_process(self, event: HookEvent, adapter: ClientAdapter) -> None:
        """Bind the session to its client's process: it ends with the process, whose MCP server finds it this way."""
        from hallway.core.topics import topic
        from hallway.local.presence import bind, bound, client_process, is_elsewhere

        value = os.environ.get(adapter.process_variable, "")
        pid = int(value) if value.isdecimal() else client_process()
        self._process = pid
        before = bound(self.folder, pid)
        is_replaced = event.is_successor and before not in (None, event.session_id)
        if is_replaced and adapter.has_one_conversation(pid):
            event.continues = "" if is_elsewhere(self.folder, str(before), pid) else str(before)
        bind(self.folder, event.session_id, pid, client=self.client)
        if before != event.session_id:  # the process's server must learn that it now belongs to this session
            self._notify_server(*([topic("messages", before)] if before else []))
        if event.kind == START:
            from hallway.local.session_terminal import describe

            event.terminal = describe(pid, event.directory, os.environ)
            forget_old(self.folder)

    def _notify_server(self, *topics: str) -> None:
        """Make the process's server send a heartbeat now, with which it finds the session and whether it is at work."""
        from hallway.core.topics import topic
        from hallway.local.notify import notify

        notify(os.path.join(self.folder, "wake"), {topic("processes", str(self._process)), *topics})

    def _is_open_elsewhere(self, event: HookEvent) -> bool:
        """Return whether another terminal has the session open, too; then the session goes on when this one closes."""
        from hallway.local.presence import is_elsewhere

        return is_elsewhere(self.folder, event.session_id, self._process)

    def _is_client_gone(self) -> bool:
        """Return whether the client's process ended while this hook ran; no later hook can then end the session."""
        from hallway.local.presence import start_time

        is_shell_gone = os.getppid() != self._parent
        is_there = start_time(self._process) and start_time(parent_process())
        return is_shell_gone or not is_there or (self._has_output and _is_closed(1))


def _gate_file(folder: str, session_id: str) -> str:
    """Return the session's gate file; for an id that no shell can write safely, a file that no shell reads."""
    if path := file_of(folder, session_id):
        return path
    from zlib import crc32

    return file_of(folder, f"_{crc32(session_id.encode('utf-8', 'replace')):08x}")


def _update_gate(path: str, kind: str, *, looks_idle: bool) -> None:
    """Mark the session as not due before reading its news, so that later news marks it as due again.

    After a question or a stop the hook of the next tool must run, to set the status back: the file is removed. A client
    that reads the file while it idles needs it after a stop.
    """
    if kind in (TOOL, PROMPT, NEWS) or (kind == STOP and looks_idle):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        snooze(path)
    elif kind != START:
        _unlink(path)


def _update_time(path: str) -> None:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        os.utime(path)
    except OSError:
        pass  # the next hook waits, too


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _fill_standard_files() -> bool:
    """Open the standard files that the client closed, so that no other file gets their numbers; return whether there is
    a standard output.
    """
    has_output = True
    for file in (0, 1, 2):
        try:
            os.fstat(file)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # becomes `file`, the lowest that is free
            has_output = has_output and file != 1
    return has_output


def _is_closed(file: int) -> bool:
    """Return whether nobody has the other end of a pipe any more."""
    import select

    poll = select.poll()
    poll.register(file, 0)
    return bool(poll.poll(0))


def _budget_ms() -> int:
    text = os.environ.get("HALLWAY_HOOK_BUDGET_MS") or ""
    return int(text) if text.isdecimal() and int(text) else BUDGET_MS


def _read_payload() -> tuple[bytes, Payload]:
    """Read standard input until the payload is complete, because some clients leave the pipe open behind it.

    Return its bytes and the object that they are. Raises ValueError for what is too large or no JSON object.
    """
    read = bytearray()
    while part := os.read(0, 1 << 20):
        read += part
        if len(read) > MAX_PAYLOAD:
            raise ValueError(f"the payload is larger than {MAX_PAYLOAD} bytes")
        if part.rstrip().endswith(b"}"):
            try:
                return bytes(read), loads(read.decode("utf-8", "replace"))
            except ValueError:
                pass  # there is more to come, or an error at the end of the input
    return bytes(read), loads(read.decode("utf-8", "replace"))


def _enter(directory: str) -> None:
    """Change to the session's directory, so that its project and branch are found."""
    try:
        os.chdir(directory)
    except OSError:
        pass  # removed since


def _write(answer: str) -> None:
    left = answer.encode("ascii")
    while left:
        left = left[os.write(1, left) :]
