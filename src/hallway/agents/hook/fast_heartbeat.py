"""A heartbeat that changes nothing and finds nothing new, without the services: what nearly every due hook does.

It runs the services' own statements on the bus's file, for an interpreter that has nothing else in it: opening a bus
with all its services takes longer than this whole hook may. It decides nothing: whenever there is more to do than to
move `last_seen`, it says so and the services do all of it.
"""

from __future__ import annotations

import time

from hallway.store import load_statement
from hallway.store.light_apsw import apsw
from hallway.store.lock import SideLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.store import Row

NEWS = (
    '["session.registered","session.resumed","session.moved","session.ended","session.expired","session.left",'
    '"conflict.found"]'
)
LOCK_WAIT_S = 0.1


def send_heartbeat(path: str, session_id: str, last_seq: int) -> int | None:
    """Send the heartbeat of a session at work; return the last event's seq, None if there is more to do.

    There is more to do if the session has news since `last_seq`, and after an error, which the services meet again and
    report.
    """
    try:
        return _send_heartbeat(path, session_id, last_seq)
    except (apsw.Error, OSError, LookupError):
        return None


def _send_heartbeat(path: str, session_id: str, last_seq: int) -> int | None:
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(int(LOCK_WAIT_S * 1000))
    now = time.time_ns() // 1000
    if _run(connection, "sessions.due", now=now):
        return None
    lock = SideLock(f"{path}.lock")
    if not lock.acquire(LOCK_WAIT_S):
        return None
    connection.execute("PRAGMA synchronous = NORMAL")
    row = _run(
        connection,
        "sessions.heartbeat",
        now=now,
        session_id=session_id,
        status="working",
        current_task=None,
        branch=None,
        project=None,
        ttl_s=None,
    )
    lock.close()
    return _last_seq(connection, session_id, row[0][1], last_seq, now) if row else None


def _last_seq(connection: apsw.Connection, session_id: str, project: str, last_seq: int, now: int) -> int | None:
    """Return the last event's seq, or None if there is news that only the services can show."""
    last = int(_run(connection, "events.last_seq")[0][0])
    news = {"after": last_seq, "project": project, "kinds": NEWS, "visible": None, "limit": 1}
    if last > last_seq and _run(connection, "events.read", **news):
        return None
    waiting = _run(
        connection, "messages.inbox", now=now, session_id=session_id, after=0, limit=1, new_only=True, types=None
    )
    return None if waiting else last


def _run(connection: apsw.Connection, statement: str, **parameters: Any) -> list[Row]:
    return connection.execute(load_statement("sqlite", statement), parameters).fetchall()
