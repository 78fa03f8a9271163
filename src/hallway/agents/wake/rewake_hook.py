"""Claude Code without its inbox socket: a hook that waits beside an idle session and ends when somebody writes to it.

Armed when a turn is over, as an `asyncRewake` hook: what it wrote to standard error starts a turn, once the shell
around it exits with 2 (see `WOKEN_STATUS`). One waits for a session; a second finds the lock and goes. It goes, too,
once the session is at work or over, and at once where there is a better way: where the inbox can be reached and a
server of the session is there to do it.
"""

from __future__ import annotations

import os
import time

from hallway.agents.hook.event import text
from hallway.agents.hook.process import WOKEN_STATUS, parent_process
from hallway.agents.wake.waker import wake_up
from hallway.core.errors import HallwayError
from hallway.local.hook_gate import WAITER, file_of
from hallway.services.wakes import GATHER_S, IDLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from hallway.agents.hook.event import Payload
    from hallway.bus.base import Bus

LOOK_EVERY_S = 20.0
SETTLE_S = 3.0  # in which the hook that runs beside this one says that the turn is over
DONE = 0


def wait_idle(folder: str, url: str | None, payload: Payload, environ: Mapping[str, str]) -> int:
    """Wait until the session has a message worth a turn, and write it; the hook's exit status."""
    session_id = text(payload, "session_id")
    if environ.get("CLAUDE_CODE_ENTRYPOINT") != "cli" or environ.get("CLAUDE_CODE_SESSION_ID") != session_id:
        return DONE
    path = file_of(folder, session_id)
    if not path or _is_served(folder, session_id, environ) or not _lock(path + WAITER):
        return DONE
    from hallway.bus.connect import connect

    with connect(url) as bus:
        return _wait(bus, session_id)


def _wait(bus: Bus, session_id: str) -> int:
    from hallway.core.topics import topic
    from hallway.local.notify import DatagramSubscription
    from hallway.local.presence import start_time

    client = parent_process()
    began, waiter = (
        start_time(client),
        DatagramSubscription(os.path.join(bus.folder, "wake"), topic("messages", session_id)),
    )
    settled_at = time.monotonic() + SETTLE_S
    try:
        while began and start_time(client) == began:
            session = bus.sessions.get(session_id)
            if session.status not in IDLE:
                if not session.is_live or time.monotonic() > settled_at:
                    return DONE
                waiter.wait(0.1)
                continue
            if bus.messages.inbox(session_id, limit=1, new_only=True):
                time.sleep(GATHER_S)
            words, _, retry_after_s = wake_up(bus, session_id)
            if words:
                os.write(2, words.encode("utf-8", "replace"))
                return WOKEN_STATUS
            waiter.wait(min(LOOK_EVERY_S, retry_after_s or LOOK_EVERY_S))
    except HallwayError:
        pass  # the bus is gone: nobody can write
    finally:
        waiter.close()
    return DONE


def _lock(path: str) -> bool:
    """Lock the file that marks the one process that waits for a session; None if another process has it."""
    import fcntl

    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_served(folder: str, session_id: str, environ: Mapping[str, str]) -> bool:
    """Return whether a server of the session waits for its messages and can reach its inbox."""
    from hallway.agents.clients.claude_code.wake import is_reachable
    from hallway.core.topics import topic

    try:
        names = os.listdir(os.path.join(folder, "wake"))
    except OSError:
        return False
    return is_reachable(environ) and any(name.startswith(f"{topic('messages', session_id)}.") for name in names)
