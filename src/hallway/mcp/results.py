"""Short forms of results for agents: the fields that an agent needs to act, and ids to fetch the rest.

Results contain texts of other sessions. Wherever such texts are shown, a note says who wrote them (A3).
"""

from __future__ import annotations

from hallway.core.model import PeerSession, Record
from hallway.text.framing import NOTE
from hallway.text.style import LOOSE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from hallway.core.model import (
        ActiveSessions,
        Claim,
        Heartbeat,
        MemoryEntry,
        MemoryHit,
        Message,
        Receipt,
        Session,
        Task,
        Thread,
    )
    from hallway.mcp.protocol import Json

BODY_SHOWN = 2000  # characters of a message's body in a list; `thread` and `accept_task` return whole bodies
TASK_SHOWN = 300
WAITING = "A message tells you when it is granted. Until then work on something else, or end your turn."
THEIR_WORDS = f"Texts here were written in {NOTE}."


def active(result: ActiveSessions) -> Json:
    """Return who is there, in the fields of a peer: what a session keeps beside its status may be long."""
    return _active(result, *PeerSession._fields)


def active_in_full(result: ActiveSessions) -> Json:
    return _active(result)


def _active(result: ActiveSessions, *fields: str) -> Json:
    sessions = (_brief(each, *fields) for each in result.sessions)
    return {"project": result.project, **_noted("sessions", sessions), "total": result.total}


def heartbeat(result: Heartbeat) -> Json:
    answer = _brief(result, "session_id", "name", "project", "status", "unread", "others_total", "conflicts") | {
        "unread": result.unread,
        "others_total": result.others_total,
    }
    return answer | {"note": THEIR_WORDS} if result.conflicts else answer


def others(result: Heartbeat) -> Json:
    return {
        "session_id": result.session_id,
        "project": result.project,
        **_noted("active_sessions", map(_brief, result.others)),
        "total": result.others_total,
        "unread": result.unread,
    }


def status_detail(result: Session) -> Json:
    return {"session_id": result.session_id, "status_detail": result.status_detail, "note": THEIR_WORDS}


def receipt(result: Receipt) -> Json:
    fields = _brief(result, "message_id", "task_id", "recipient_status", "is_repeat", "held_back")
    return fields | {"recipients": result.recipients}


def inbox(result: list[Message]) -> Json:
    return _noted("messages", (_message(each, BODY_SHOWN) for each in result))


def thread(result: Thread) -> Json:
    messages = _noted("messages", (_message(each) for each in result.messages))
    deliveries = [
        _brief(each, "message_id", "recipient", "state", "held_back", "request_state") for each in result.deliveries
    ]
    return {"thread_id": result.thread_id, **messages, "deliveries": deliveries}


def tasks(result: list[Task]) -> Json:
    return _noted("tasks", (_task(each) | {"body": _shortened(each.body, TASK_SHOWN)} for each in result))


def task(result: Task) -> Json:
    return _task(result) | {"note": THEIR_WORDS}


def task_in_full(result: Task) -> Json:
    return task(result) | _brief(result, "body", "data")


def remembered(result: MemoryEntry) -> Json:
    return {"key": result.key, "version": result.version}


def entry(result: MemoryEntry) -> Json:
    brief = _brief(result, "key", "type", "version", "session_id", "tags", "created_at", "expires_at", "metadata")
    return {**brief, "value": result.value, "note": THEIR_WORDS}


def findings(result: list[MemoryHit]) -> Json:
    entries = _noted(
        "entries", (_brief(each, "key", "type", "version", "session_id", "tags", "line") for each in result)
    )
    about = {"matches": LOOSE} if any(each.is_loose for each in result) else {}
    return {**about, **entries, **({"after": result[-1].cursor} if result else {})}


def claim(result: Claim) -> Json:
    brief = _brief(result, "claim_id", "state", "paths", "expires_at")
    return brief | {"next": WAITING} if result.state == "waiting" else brief


def released(result: list[Claim]) -> Json:
    return {"released": [path for each in result for path in each.paths]}


def count(name: str) -> Callable[[int], Json]:
    """Return a function that puts a number under a name."""
    return lambda result: {name: result}


def whole(result: Any) -> Json:
    """Return a whole result, with the fields that the other faces give."""
    return {"result": result, "note": THEIR_WORDS} if isinstance(result, list | Record) else {"result": result}


def _task(result: Task) -> Json:
    return _brief(result, "task_id", "subject", "status", "offered_by", "offered_to", "owner", "result")


def _message(message: Message, most: int | None = None) -> Json:
    fields = _brief(
        message,
        "message_id",
        "type",
        "from_session",
        "to_session",
        "subject",
        "data",
        "in_reply_to",
        "task_id",
        "sent_at",
    )
    if message.priority != "normal":
        fields["priority"] = message.priority
    if message.reply_by:
        fields["reply_by"] = message.reply_by
    body = message.body if most is None else _shortened(message.body, most)
    return {**fields, "body": body} if body and body != message.subject else fields


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most} more characters)"


def _noted(name: str, items: Iterable[Json]) -> Json:
    """Return a list of other sessions' texts, with a note that says who wrote them."""
    listed = [{key: value for key, value in item.items() if value not in ("", None)} for item in items]
    return {name: listed, **({"note": THEIR_WORDS} if listed else {})}


def _brief(record: Record, *fields: str) -> Json:
    """Return the named fields of a record (default: all), without fields that are null, false, 0 or empty."""
    values = record.to_dict()
    return {name: values[name] for name in fields or values if values[name]}
