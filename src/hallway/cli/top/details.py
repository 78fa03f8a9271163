"""What `hallway top` shows of one record: the record itself, its thread, its session, and what happened to that."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from hallway.cli.render.attention import colour_of_kind, kind_cell, what_of
from hallway.cli.render.memory import entry as entry_lines
from hallway.cli.render.messages import message as message_lines
from hallway.cli.render.messages import thread as thread_lines
from hallway.cli.render.parts import fact_lines, when, when_short
from hallway.cli.render.sessions import status_cell
from hallway.cli.render.tasks import task as task_lines
from hallway.cli.terminal import cut, wrap
from hallway.core.errors import NotFound
from hallway.core.model import (
    AttentionItem,
    Claim,
    Event,
    MemoryEntry,
    MemoryHit,
    Message,
    Session,
    Task,
    Thread,
)
from hallway.core.parties import sessions_in
from hallway.core.schema import encode
from hallway.text.sanitize import sanitize
from hallway.text.style import EVENT_WORDS, age, duration, short_project, style_of
from hallway.text.terminal_place import way_to_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hallway.bus.base import Bus
    from hallway.cli.terminal import Terminal
    from hallway.core.errors import HallwayError
    from hallway.core.model import Record

MAX_MESSAGES = 20
MAX_ACTIVITY = 50
TALKS = ("message.sent", "message.injected", "message.acknowledged", "attention.")  # no news beside the messages


class Detail:
    """A record and what belongs to it: `records`, in the order in which they are shown, or why there is nothing."""

    def __init__(self, about: Record, records: list[Any], error: HallwayError | None = None) -> None:
        self.about = about
        self.records = records
        self.error = error


def read_detail(bus: Bus, about: Record, events: list[Event]) -> Detail:
    """Read what belongs to a record; what is no longer on the bus is left out."""
    records: list[Any] = [about]
    if isinstance(about, MemoryHit):
        records = _found(lambda: bus.memory.get_entry(about.key, project=about.project))
    elif isinstance(about, Session):
        records = _found(lambda: bus.sessions.get(about.session_id))
    fields = {**(about.data if isinstance(about, Event) else {}), **about.to_dict()}
    message_id = fields.get("message_id") or fields.get("task_id")
    if isinstance(message_id, str):
        records += _found(lambda: bus.messages.get_conversation(message_id))
    session_id = None if isinstance(about, MemoryEntry | Task) else fields.get("session_id")
    if isinstance(session_id, str) and session_id in sessions_in(session_id):
        if not isinstance(about, Session):
            records += _found(lambda: bus.sessions.get(session_id))
        if not any(isinstance(each, Thread) for each in records):
            records += _messages_of(bus, session_id)
        records += [each for each in events if session_id in sessions_in(each) and _is_news(each)][:MAX_ACTIVITY]
    return Detail(about, records)


def _found(read: Callable[[], Any]) -> list[Any]:
    try:
        return [read()]
    except NotFound:
        return []


def _messages_of(bus: Bus, session_id: str) -> list[Message]:
    """Return the last messages that a session sent or received, the newest first."""
    received = _found(lambda: bus.messages.get_messages(session_id, limit=MAX_MESSAGES))
    messages = [*(received[0] if received else []), *bus.messages.sent(session_id, limit=MAX_MESSAGES)]
    by_id = {each.message_id: each for each in messages}
    return sorted(by_id.values(), key=lambda each: each.seq, reverse=True)[:MAX_MESSAGES]


def _is_news(event: Event) -> bool:
    return not event.kind.startswith(TALKS)


def detail_lines(screen: Terminal, detail: Detail) -> list[str]:
    """Return the lines that show a record and what belongs to it."""
    if detail.error:
        return [screen.paint(line, "yellow") for line in wrap(detail.error.message, screen.width)]
    lines: list[str] = []
    before: type | None = None
    for each in detail.records:
        if lines and (type(each) is not before or not isinstance(each, Event)):
            lines.append("")
        if isinstance(each, Event) and before is not Event and each is not detail.about:
            lines.append(screen.paint("Activity", "grey"))
        lines += _lines_of(screen, each, is_first=each is detail.about)
        before = type(each)
    return lines or [screen.paint("It is not on the bus any more.", "grey")]


def _lines_of(screen: Terminal, record: Any, *, is_first: bool) -> list[str]:
    if isinstance(record, AttentionItem):
        return [*_item(screen, record)]
    if isinstance(record, Session):
        return session_lines(screen, record)
    if isinstance(record, Thread):
        return thread_lines(screen, record, {})
    if isinstance(record, Message):
        return message_lines(screen, record)
    if isinstance(record, Task):
        return task_lines(screen, record, {})
    if isinstance(record, Claim):
        return claim_lines(screen, record)
    if isinstance(record, MemoryEntry):
        return [part for line in entry_lines(screen, record, {}) for part in _wrapped(screen, line)]
    if isinstance(record, Event):
        return event_lines(screen, record) if is_first else [activity_line(screen, record)]
    raise TypeError(f"nothing shows a {type(record).__name__}")


def _wrapped(screen: Terminal, line: str) -> list[str]:
    return wrap(line, screen.width) if "\x1b" not in line else [line]


def _item(screen: Terminal, item: AttentionItem) -> Iterator[str]:
    kind = kind_cell(item)
    where = f"{short_project(item.project)}{f' · {item.branch}' if item.branch else ''}"
    yield "  ".join(
        (
            screen.paint(kind, colour_of_kind(kind)),
            screen.paint(item.name, "bold"),
            screen.paint(f"{where} · {when_short(screen, item.since)}", "grey"),
        )
    )
    for line in wrap(what_of(screen, item), screen.width):
        yield screen.paint(line, "bold")
    if way := way_to_terminal(item.terminal, os.environ):
        yield from (screen.paint(line, "grey") for line in wrap(f"Its terminal: {way}", screen.width))


def session_lines(screen: Terminal, each: Session) -> list[str]:
    """Return what a person wants to know of a session, without what only programs need."""
    status = status_cell(each.status, each.reason)
    facts = {
        "status": f"{status} for {age(each.status_since, screen.now_s)}" if each.is_live else status,
        "detail": each.detail,
        "task": each.current_task,
        "project": " · ".join(filter(None, (each.project, each.branch))),
        "who": " · ".join(filter(None, (each.agent_type, each.human_user, each.location))),
        "seen": f"{when_short(screen, each.last_seen)}, offline after {duration(each.ttl_s)} of silence",
        "ended": f"{when(screen, each.ended_at)}: {each.end_reason}" if each.ended_at else None,
        "id": each.session_id,
    }
    lines = fact_lines(screen, facts.items(), status=style_of(each.status).colour)
    return [screen.paint(each.name, "bold"), *lines]


def claim_lines(screen: Terminal, each: Claim) -> list[str]:
    facts = {
        "state": f"{each.mode}, {each.state}",
        "holder": screen.name_of(each.session_id),
        "for": each.intent,
        "project": each.project,
        "asked": when(screen, each.asked_at),
        "ends in": duration(each.expires_at.timestamp() - screen.now_s),
        "claim": each.claim_id,
    }
    return [*(screen.paint(path, "bold") for path in each.paths), *fact_lines(screen, facts.items())]


def event_lines(screen: Terminal, each: Event) -> list[str]:
    """Return an event with all of its data."""
    data = {
        name.replace("_", " "): value if isinstance(value, str) else encode(value) for name, value in each.data.items()
    }
    facts = {"kind": each.kind, "at": when(screen, each.at), "project": each.project, **data, "seq": each.seq}
    sentence = wrap(_sentence(screen, each), screen.width)
    return [*(screen.paint(line, "bold") for line in sentence), *fact_lines(screen, facts.items())]


def activity_line(screen: Terminal, each: Event) -> str:
    """Return an event as one sentence, after its local time."""
    at = each.at.astimezone().strftime("%H:%M:%S")
    sentence = sanitize(_sentence(screen, each))
    return f"{screen.paint(at, 'grey')}  {cut(sentence, max((screen.width or 0) - len(at) - 2, 8))}"


def _sentence(screen: Terminal, each: Event) -> str:
    who = screen.name_of(each.session_id) if each.session_id else ""
    return " ".join(filter(None, (who, *_what_happened(screen, each))))


def _what_happened(screen: Terminal, each: Event) -> Iterator[str]:
    data = each.data
    if each.kind == "message.sent":
        yield f"{data.get('type')} → {screen.name_of(str(data.get('to_session')))}: {data.get('subject')}"
        return
    yield EVENT_WORDS.get(each.kind, each.kind)
    if isinstance(data.get("status"), str):
        yield data["status"] + (f": {data['reason']}" if data.get("reason") else "")
    for name in ("current_task", "detail", "subject", "what", "path", "name", "key", "intent", "end_reason"):
        if isinstance(data.get(name), str) and data[name]:
            yield data[name]
            return
    if isinstance(data.get("paths"), list):
        yield ", ".join(map(str, data["paths"]))
    elif "count" in data:
        yield str(data["count"])
