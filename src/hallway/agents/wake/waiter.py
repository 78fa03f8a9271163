"""Claude Code without its inbox socket: a hook that waits beside an idle session and ends when somebody writes to it.

Armed when a turn is over, as an `asyncRewake` hook: it exits with 2, and what it wrote to standard error starts a
turn. One waits for a session; a second finds the lock and goes. It goes, too, once the session is at work or over,
and at once where there is a better way: where the inbox can be reached and a server of the session is there to do it.
"""

from __future__ import annotations

import os
import time

from hallway.agents.hook.moment import text
from hallway.agents.wake.waker import IDLE, WAKES_MOST, WITHIN_S, wake_words, worth_a_turn
from hallway.errors import HallwayError
from hallway.quiet import WAITER, file_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from hallway.agents.hook.moment import Payload
    from hallway.bus import Bus

LOOK_EVERY_S = 20.0
SETTLE_S = 3.0  # in which the hook that runs beside this one says that the turn is over
WOKEN, DONE = 2, 0


def wait_idle(folder: str, url: str | None, payload: Payload, environ: Mapping[str, str]) -> int:
    """Wait until the session has a message worth a turn, and write it; the hook's exit status."""
    session_id = text(payload, "session_id")
    if environ.get("CLAUDE_CODE_ENTRYPOINT") != "cli" or environ.get("CLAUDE_CODE_SESSION_ID") != session_id:
        return DONE
    path = file_of(folder, session_id)
    if not path or _is_served(folder, session_id, environ) or (lock := _lock(path + WAITER)) is None:
        return DONE
    woken_at = [at for at in os.pread(lock, 4096, 0).split() if time.time() - int(at) < WITHIN_S]
    if len(woken_at) >= WAKES_MOST:
        return DONE
    from hallway.bus import connect

    with connect(url) as bus:
        status = _wait(bus, session_id)
    if status == WOKEN:
        os.truncate(lock, 0)
        os.pwrite(lock, b" ".join([*woken_at, str(int(time.time())).encode()]), 0)
    return status


def _wait(bus: Bus, session_id: str) -> int:
    from hallway.wake import Waiter, topic

    client, waiter = os.getppid(), Waiter(os.path.join(bus.folder, "wake"), topic("messages", session_id))
    settled_at = time.monotonic() + SETTLE_S
    try:
        while os.getppid() == client:
            session = bus.sessions.get(session_id)
            if session.status not in IDLE:
                if not session.is_live or time.monotonic() > settled_at:
                    return DONE
                waiter.wait(0.1)
                continue
            if messages := worth_a_turn(bus, session_id):
                os.write(2, wake_words(messages)[0].encode("utf-8", "replace"))
                return WOKEN
            waiter.wait(LOOK_EVERY_S)
    except HallwayError:
        pass  # the bus is gone: nobody can write
    finally:
        waiter.close()
    return DONE


def _lock(path: str) -> int | None:
    """Be the one that waits: the file that says so, and when the session was woken; None where another does."""
    import fcntl

    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    return file


def _is_served(folder: str, session_id: str, environ: Mapping[str, str]) -> bool:
    """Whether a server of the session waits for its messages and can reach its inbox."""
    from hallway.agents.wake.claude_code import is_reachable
    from hallway.wake import topic

    try:
        names = os.listdir(os.path.join(folder, "wake"))
    except OSError:
        return False
    return is_reachable(environ) and any(name.startswith(f"{topic('messages', session_id)}.") for name in names)
