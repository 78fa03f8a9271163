"""Spool operations that a hook could not finish in time: a small file beside the bus, run later by another process.

A hook gives up after its budget, and what it had to say (a prompt's task, a status, a written file, an end) would be
lost. It appends one line instead. The next hook, the session's MCP server or the next command does what the lines say,
oldest first, before anything of its own; so their order is kept. Doing a line twice changes nothing, and a line that
is too old to be true says no status any more.

The file is bounded and this user's alone. What does not fit is dropped and logged.
"""

from __future__ import annotations

import os
import time

from hallway.agents.hook.event import END, TOOL, HookEvent
from hallway.agents.hook.light_json import dumps, loads
from hallway.local.paths import make_private_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from hallway.agents.hook.event import Payload
    from hallway.bus.base import Bus

NAME = "spool"
RUNNING = ".running"  # suffix of the file whose lines are being run
LOCK = ".lock"
MAX_BYTES = 256 * 1024
MAX_PROMPT = 1000  # characters: its first line is the task
MAX_FILES = 100
MAX_AGE_S = 600  # of a status; an end and written files are true for longer
FIELDS = (
    "kind",
    "event_name",
    "session_id",
    "directory",
    "files",
    "prompt",
    "reason",
    "detail",
    "continues",
    "timestamp",
    "name",
    "terminal",
    "is_new",
    "is_subagent",
    "is_typed",
)


def append(folder: str, client: str, event: HookEvent) -> bool:
    """Spool a hook event; return False if the spool is full. Raises OSError if the file cannot be written."""
    fields = {name: getattr(event, name) for name in FIELDS}
    fields |= {
        "prompt": event.prompt[:MAX_PROMPT],
        "detail": event.detail[:MAX_PROMPT],
        "files": event.files[:MAX_FILES],
    }
    line = dumps({**fields, "client": client, "at": int(time.time())}) + "\n"
    make_private_folder(folder)
    file = os.open(os.path.join(folder, NAME), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(file).st_size + len(line) > MAX_BYTES:
            return False
        os.write(file, line.encode("ascii"))
    finally:
        os.close(file)
    return True


def has_lines(folder: str) -> bool:
    """Return whether anything is spooled."""
    path = os.path.join(folder, NAME)
    return os.path.exists(path) or os.path.exists(path + RUNNING)


def work_off(bus: Bus) -> bool:
    """Run the spooled events, oldest first; return False if another process is running them. Raises the bus's errors.

    A line is removed when it and all lines before it are done; after an error the next call continues.
    """
    if not has_lines(bus.folder):
        return True
    path = os.path.join(bus.folder, NAME)
    lock = _lock(path + LOCK)
    if lock is None:
        return False
    try:
        while has_lines(bus.folder):
            if not os.path.exists(path + RUNNING):
                os.rename(path, path + RUNNING)
            with open(path + RUNNING, "rb") as file:
                lines = file.read().splitlines()
            for entry in _entries(lines):
                _do(bus, entry)
            os.unlink(path + RUNNING)
    except FileNotFoundError:
        pass  # it was removed by hand
    finally:
        os.close(lock)
    return True


def _lock(path: str) -> int | None:
    """Return a descriptor that holds the lock, None where another process has it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        pass  # Windows: two may do the same, which changes nothing
    except OSError:
        os.close(file)
        return None
    return file


def _entries(lines: list[bytes]) -> Iterator[Payload]:
    """Yield the complete lines; a killed process or a full disk may have left an incomplete one."""
    for line in lines:
        try:
            entry = loads(line.decode("ascii"))
        except ValueError:
            continue
        if entry.keys() >= {*FIELDS, "client", "at"}:
            yield entry


def _do(bus: Bus, entry: Payload) -> None:
    """Run the operations of a spooled event, as its hook would have done."""
    from hallway.agents.client_parts import adapter_of
    from hallway.agents.hook.handler import HookHandler
    from hallway.agents.hook.state import SpooledState
    from hallway.core.errors import InvalidInput, SessionNotFound
    from hallway.local.client_catalog import CATALOG
    from hallway.local.workspace import LocalWorkspace

    event = HookEvent(entry["kind"], entry["event_name"], entry["session_id"], entry["directory"])
    for name in FIELDS:
        setattr(event, name, entry[name])
    if entry["client"] not in CATALOG:
        return
    event.is_repeat = True  # the client no longer waits for an answer
    here, bus.here = bus.here, LocalWorkspace(directory=event.directory or None)
    try:
        if time.time() - entry["at"] <= MAX_AGE_S or event.kind == END:
            state = SpooledState(is_registered=_is_known(bus, event.session_id))
            HookHandler(bus, adapter_of(entry["client"]), state).handle(event)
        elif event.kind == TOOL and event.files and _is_known(bus, event.session_id):
            bus.files.touch(event.session_id, event.files, is_shared=False)  # when is not known
    except (SessionNotFound, InvalidInput):
        pass  # pruned since, or nothing that a bus could keep: it would fail for ever
    finally:
        bus.here = here


def _is_known(bus: Bus, session_id: str) -> bool:
    from hallway.core.errors import SessionNotFound

    try:
        bus.sessions.get(session_id)
    except SessionNotFound:
        return False
    return True
