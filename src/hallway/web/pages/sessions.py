"""The home page (sessions, and items that need attention) and the page of one session."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any

from hallway.agents.install.chain import chains
from hallway.core.errors import Refused, SessionNotFound
from hallway.core.short_ids import short_ids
from hallway.services.files import FileLog
from hallway.services.memory import SharedMemory
from hallway.services.messages import TASK_TYPES, CollaborationHub
from hallway.services.sessions import SessionRegistry
from hallway.services.tasks import TaskBoard
from hallway.text.style import STYLES, in_order
from hallway.web.activity import WINDOW_S
from hallway.web.pages.attention_list import needs
from hallway.web.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from hallway.core.model import Delivery, Event, InboxSummary, Message, Session
    from hallway.web.site import Site

FIND = SessionRegistry.operations["find_sessions"]
GET = SessionRegistry.operations["get"]
INBOXES = CollaborationHub.operations["inboxes"]
INBOX = CollaborationHub.operations["inbox"]
RECEIVED = CollaborationHub.operations["get_messages"]
SENT = CollaborationHub.operations["sent"]
DELIVERIES = CollaborationHub.operations["deliveries"]
TASKS = TaskBoard.operations["list_tasks"]
TOUCHED = FileLog.operations["touched"]
REMEMBERED = SharedMemory.operations["find"]

MESSAGES = 200  # and tasks, which may be 64 KiB each
READ_AT_ONCE = 1000
MAX_SESSIONS = 5000  # sessions that are read for a page, which says so if there are more
ROWS = 100
GONE_FOR_S = 3600.0  # how long a session stays on the page after it went offline
MAX_GONE = 50
DRAWN = 24  # sessions on the timeline
DRAWN_OF_MANY = 12
MANY = 30  # rows; with more, the timeline comes before the table
FEED = 30
TALK = 30
SORTS: dict[str, Callable[[Session], Any]] = {
    "name": lambda each: each.name.casefold(),
    "since": lambda each: each.status_since,
    "task": lambda each: (each.current_task or "\U0010ffff").casefold(),  # those without one last
    "project": lambda each: each.project.casefold(),
    "branch": lambda each: (each.branch or "").casefold(),
    "agent": lambda each: each.agent_type.casefold(),
    "host": lambda each: (each.location or "").casefold(),
    "seen": lambda each: each.ended_at or each.last_seen,
}
FILTERS = ("project", "agent", "user", "status", "q")


async def home(site: Site, query: dict[str, str]) -> dict[str, Any]:
    """Return the data of the home page: the sessions, those that need a person first, and recent events."""
    now_s = time.time()
    live, inboxes = await everybody(site), await unread(site)
    everyone = in_order([*live, *await gone(site, now_s, {each.session_id for each in live}, query)])
    wanted = {name: query.get(name, "") for name in FILTERS}
    sessions = in_wanted_order([each for each in everyone if fits(each, wanted)], query.get("sort", ""), inboxes)
    number = page_number(query, len(sessions))
    feed = [each for each in site.activity.newest(3 * FEED, wanted["project"] or None) if _is_news(each)][:FEED]
    rows = sessions[(number - 1) * ROWS : number * ROWS]
    return {
        "filters": wanted,
        "is_filtered": any(wanted.values()),
        "sort": query.get("sort", ""),
        "choices": choices(everyone),
        "counts": _by_status(everyone),
        "is_cut": len(live) >= MAX_SESSIONS,
        "needs": await needs(site, query),
        "is_long": len(rows) > MANY,
        "rows": [{**each.to_dict(), "unread": _unread(inboxes, each), "is_live": each.is_live} for each in rows],
        "ids": short_ids(each.session_id for each in rows),
        "total": len(sessions),
        "page_number": number,
        "pages_total": -(-len(sessions) // ROWS),
        "timeline": Timeline(
            site.activity, rows[: DRAWN_OF_MANY if len(rows) > MANY else DRAWN], now_s - WINDOW_S, now_s
        ).to_dict(),
        "feed": feed,
        "names": await site.names_of(feed),
        "setup": await _setup(site) if not everyone else [],
    }


async def _setup(site: Site) -> list[dict[str, object]]:
    """Return how far the clients of this machine are set up; nothing for a viewer who may be at another machine."""
    return [] if site.principal else [each.to_dict() for each in await asyncio.to_thread(chains)]


def in_wanted_order(sessions: list[Session], sort: str, inboxes: dict[str, InboxSummary]) -> list[Session]:
    """Return the sessions sorted by a column, `-` before it for the reverse; by status as they are without one."""
    column, is_reverse = sort.removeprefix("-"), sort.startswith("-")
    if column == "unread":
        return sorted(sessions, key=lambda each: _unread(inboxes, each)["all"], reverse=is_reverse)
    if column not in SORTS:
        return sessions
    return sorted(sessions, key=SORTS[column], reverse=is_reverse)


def _is_news(event: Event) -> bool:
    """Return whether an event is worth showing: not repeated by a task's event at the same time."""
    is_told_by_task = event.kind == "message.sent" and event.data.get("type") in TASK_TYPES
    return not is_told_by_task and event.kind != "message.injected" and not event.kind.startswith("attention.")


def _by_status(everyone: list[Session]) -> dict[str, int]:
    counted = Counter(each.status for each in everyone)
    return {status: counted[status] for status in (*STYLES, *sorted(counted.keys() - STYLES.keys())) if counted[status]}


def _unread(inboxes: dict[str, InboxSummary], session: Session) -> dict[str, int]:
    inbox = inboxes.get(session.session_id)
    return {"all": inbox.unread, "urgent": inbox.urgent} if inbox else {"all": 0, "urgent": 0}


async def everybody(site: Site) -> list[Session]:
    """Return the live sessions of all projects, newest registration first, at most `MAX_SESSIONS`."""
    sessions: list[Session] = []
    while len(sessions) < MAX_SESSIONS:
        page = await site.ask(FIND, limit=READ_AT_ONCE, after_id=sessions[-1].session_id if sessions else None)
        sessions += page
        if len(page) < READ_AT_ONCE:
            break
    return sessions


async def gone(site: Site, now_s: float, live_ids: set[str], query: dict[str, str]) -> list[Session]:
    """Return the sessions that went offline recently, or all offline sessions if the filter asks for them."""
    if query.get("status") == "offline":
        sessions: list[Session] = await site.ask(FIND, status="offline", limit=READ_AT_ONCE)
        return sorted(sessions, key=_ended_s, reverse=True)
    ids = [each for each in site.activity.gone_since(now_s - GONE_FOR_S) if each not in live_ids][-MAX_GONE:]
    sessions = [each for each in await asyncio.gather(*(_session_or_none(site, each) for each in ids)) if each]
    return sorted((each for each in sessions if not each.is_live), key=_ended_s, reverse=True)


def _ended_s(session: Session) -> float:
    return session.ended_at.timestamp() if session.ended_at else 0.0


async def _session_or_none(site: Site, session_id: str) -> Session | None:
    try:
        session: Session = await site.ask(GET, session_id=session_id)
    except SessionNotFound:  # pruned
        return None
    return session


async def unread(site: Site) -> dict[str, InboxSummary]:
    """Return the inboxes with unread messages: {session id: summary}."""
    return {each.recipient: each for each in await site.ask(INBOXES)}


async def _for_you(site: Site, **filters: Any) -> list[Message]:
    """Return the questions to the viewer, oldest first."""
    if not site.can_write:
        return []
    messages: list[Message] = await site.ask(INBOX, session_id=site.person, limit=MESSAGES, **filters)
    return messages


async def inbox(site: Site, query: dict[str, str]) -> dict[str, Any]:
    """Return the viewer's unacknowledged messages, newest first."""
    messages = await _for_you(site)
    return {
        "messages": messages[::-1],
        "is_cut": len(messages) == MESSAGES,
        "names": await site.names_of(each.from_session for each in messages),
    }


def fits(session: Session, wanted: dict[str, str]) -> bool:
    """Return whether a session matches the filter."""
    text = wanted["q"].casefold()
    return (
        wanted["project"] in ("", session.project)
        and wanted["agent"] in ("", session.agent_type)
        and wanted["user"] in ("", session.human_user or "")
        and wanted["status"] in ("", session.status)
        and (not text or any(text in part.casefold() for part in _texts(session)))
    )


def _texts(session: Session) -> list[str]:
    maybe = (session.detail, session.current_task, session.branch, session.location, session.human_user)
    return [
        session.session_id,
        session.name,
        session.agent_name,
        session.agent_type,
        session.project,
        *filter(None, maybe),
    ]


def choices(sessions: list[Session]) -> dict[str, list[str]]:
    """Return the options of the filter."""
    return {
        "project": sorted({each.project for each in sessions}),
        "agent": sorted({each.agent_type for each in sessions}),
        "user": sorted({each.human_user for each in sessions if each.human_user}),
    }


def page_number(query: dict[str, str], total: int) -> int:
    """Return the requested page number, limited to the existing pages."""
    text = query.get("page", "1")
    wanted = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 1
    return min(max(wanted, 1), max(-(-total // ROWS), 1))


async def session(site: Site, query: dict[str, str]) -> dict[str, Any]:
    """Return the data of a session's page: status, messages, tasks, files and memory entries."""
    now_s = time.time()
    session: Session = await site.ask(GET, session_id=query.get("id", ""))
    session_id = session.session_id
    received = await site.ask(RECEIVED, session_id=session_id, limit=TALK)
    unread_ids, new_ids = await _unread_ids(site, session_id, received)
    in_inbox: list[InboxSummary] = await site.ask(INBOXES, session_id=session_id)
    sent = await site.ask(SENT, from_session=session_id, limit=TALK)
    deliveries = await asyncio.gather(*(site.ask(DELIVERIES, message_id=each.message_id) for each in sent))
    owned = await site.ask(TASKS, owner=session_id, include_done=True, limit=TALK)
    offered = await site.ask(TASKS, status="offered", project=session.project, limit=MESSAGES)
    talk = _talk(session_id, received, sent, deliveries, unread_ids, new_ids)
    messages = [each["message"] for each in talk]
    events = [each for each in site.activity.newest(TALK, session_id=session_id) if _is_news(each)]
    return {
        "session": session,
        "is_live": session.is_live,
        "talk": talk,
        "names": await site.names_of([*messages, *events]),
        "unread_total": in_inbox[0].unread if in_inbox else 0,
        "tasks": [*(each for each in offered if each.offered_to == session_id), *owned],
        "memory": await site.ask(REMEMBERED, session_id=session_id, project=session.project, limit=TALK),
        "files": await site.ask(TOUCHED, session_id=session_id, limit=TALK),
        "events": events,
        "timeline": Timeline(site.activity, [session], now_s - WINDOW_S, now_s).to_dict(),
    }


async def _unread_ids(site: Site, session_id: str, received: list[Message]) -> tuple[set[str], set[str]]:
    """Return the ids of a session's newest messages that it has not acknowledged, and of those no client has taken.

    Only the session itself may read its inbox; for other viewers the messages are checked one by one.
    """
    newest = {"session_id": session_id, "after": max(received[0].seq - 1, 0) if received else 0, "limit": TALK}
    try:
        unread = await site.ask(INBOX, **newest)
        new = await site.ask(INBOX, **newest, new_only=True)
        return {each.message_id for each in unread}, {each.message_id for each in new}
    except Refused:
        unread = await site.ask(RECEIVED, **newest, unread_only=True)
    states = await asyncio.gather(*(site.ask(DELIVERIES, message_id=each.message_id) for each in unread))
    stored = [each for each in chain.from_iterable(states) if each.recipient == session_id and each.state == "stored"]
    return {each.message_id for each in unread}, {each.message_id for each in stored}


def _talk(
    session_id: str,
    received: list[Message],
    sent: list[Message],
    deliveries: list[list[Delivery]],
    unread_ids: set[str],
    new_ids: set[str],
) -> list[dict[str, Any]]:
    """Return the messages to and from a session, newest first, with their delivery states.

    A message that the session sent to itself is listed once.
    """
    own = {each.message_id for each in received}
    outgoing: list[dict[str, Any]] = [
        {"message": each, "is_out": True, "states": dict(Counter(state.state for state in states))}
        for each, states in zip(sent, deliveries, strict=True)
        if each.message_id not in own
    ]
    for each in received:
        is_new, is_unread = each.message_id in new_ids, each.message_id in unread_ids
        state = "stored" if is_new else "injected" if is_unread else "acknowledged"
        outgoing.append({"message": each, "is_out": False, "states": {state: 1}})
    return sorted(outgoing, key=lambda each: each["message"].seq, reverse=True)[:TALK]
