"""The page of message threads, and the page of one thread as a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hallway.services.messages import CollaborationHub
from hallway.services.requests import RequestBook

if TYPE_CHECKING:
    from hallway.core.model import Message, MessageHit, Request, Thread
    from hallway.web.site import Site

UNANSWERED = RequestBook.operations["find"]
INBOX = CollaborationHub.operations["inbox"]
SEARCH = CollaborationHub.operations["search"]
SENT = CollaborationHub.operations["sent"]
THREAD = CollaborationHub.operations["get_conversation"]

FOUND = 50  # messages of one page of a search
LOOKED_AT = 200  # newest messages whose threads are listed
MAX_IN_THREAD = 200
SHOWN_PARTIES = 4
UNREAD = ("stored", "injected")
DEEPEST = 6  # levels of indentation: deeper replies are not indented further


async def messages(site: Site, query: dict[str, str]) -> dict[str, Any]:
    """Return the data of the threads page; the thread with the newest message is first."""
    before = query.get("before", "")
    wanted = {name: query.get(name, "") for name in ("project", "type", "requests", "q")}
    older_than = int(before) if before.isascii() and before.isdigit() and 0 < len(before) < 18 else None
    if wanted["requests"]:
        return await _unanswered(site, wanted, older_than)
    if wanted["q"]:
        return await _found(site, wanted, query.get("after") or None)
    messages: list[Message] = await site.ask(
        SENT,
        project=wanted["project"] or None,
        limit=LOOKED_AT,
        before=older_than,
    )
    fitting = [each for each in messages if wanted["type"] in ("", each.type)]
    threads: dict[str, list[Message]] = {}
    for each in fitting:
        threads.setdefault(each.thread_id, []).append(each)
    summaries = [_summary(thread_id, thread) for thread_id, thread in threads.items()]
    return {
        "filters": wanted,
        "is_filtered": any(wanted.values()) or bool(before),
        "choices": {"project": site.projects(wanted["project"])},
        "requests": [],
        "hits": [],
        "threads": summaries,
        "unread": await unread_threads(site),
        "names": await site.names_of(party for each in summaries for party in each["parties"][:SHOWN_PARTIES]),
        "looked_at": len(messages),
        "older": messages[-1].seq if len(messages) == LOOKED_AT else None,
    }


async def _unanswered(site: Site, wanted: dict[str, str], older_than: int | None) -> dict[str, Any]:
    """Return the data of the page with the requests that wait for an answer, newest first."""
    page: list[Request] = await site.ask(
        UNANSWERED, project=wanted["project"] or None, unanswered=True, limit=LOOKED_AT, before=older_than
    )
    text = wanted["q"].casefold()
    requests = [
        each
        for each in page
        if any(text in words.casefold() for words in (each.subject, each.from_session, each.to_session))
    ]
    return {
        "filters": wanted,
        "is_filtered": True,
        "choices": {"project": site.projects(wanted["project"])},
        "requests": requests,
        "threads": [],
        "hits": [],
        "names": await site.names_of(requests),
        "looked_at": len(page),
        "older": page[-1].seq if len(page) == LOOKED_AT else None,
    }


async def _found(site: Site, wanted: dict[str, str], after: str | None) -> dict[str, Any]:
    """Return the data of the page with the messages that have some words, the best match first."""
    page: list[MessageHit] = await site.ask(
        SEARCH, query=wanted["q"], project=wanted["project"] or None, limit=FOUND, cursor=after
    )
    hits = [each for each in page if wanted["type"] in ("", each.type)]
    return {
        "filters": wanted,
        "is_filtered": True,
        "choices": {"project": site.projects(wanted["project"])},
        "requests": [],
        "threads": [],
        "hits": hits,
        "names": await site.names_of(hits),
        "following": page[-1].cursor if len(page) == FOUND else None,
        "older": None,
    }


async def unread_threads(site: Site) -> set[str]:
    """Return the ids of the threads with messages in the viewer's inbox."""
    if not site.can_write:
        return set()
    messages: list[Message] = await site.ask(INBOX, session_id=site.person, limit=LOOKED_AT)
    return {each.thread_id for each in messages}


def _summary(thread_id: str, messages: list[Message]) -> dict[str, Any]:
    """Return the summary of a thread; `said` are its newest messages, newest first."""
    first, last = messages[-1], messages[0]
    parties = [party for each in reversed(messages) for party in (each.from_session, each.to_session)]
    return {
        "thread_id": thread_id,
        "subject": first.subject.removeprefix("Re: "),
        "last": last,
        "count": len(messages),
        "is_whole": first.message_id == thread_id,
        "parties": list(dict.fromkeys(parties)),
    }


async def compose(site: Site, query: dict[str, str]) -> dict[str, Any]:
    """Return the data of the page on which a person writes a message."""
    return {
        "to_session": query.get("to", ""),
        "filters": {"project": query.get("project", "")},
        "projects": site.projects(query.get("project")),
        "recipients": await site.recipients(query.get("project") or None),
    }


async def thread(site: Site, query: dict[str, str]) -> dict[str, Any]:
    """Return the data of a thread's page: a message and all replies, with their delivery states."""
    thread: Thread = await site.ask(THREAD, message_id=query.get("id", ""), limit=MAX_IN_THREAD)
    return {
        "thread_id": thread.thread_id,
        "subject": thread.messages[0].subject if thread.messages else thread.thread_id,
        "tree": in_tree(thread, site.person),
        "to_answer": _to_answer(thread.messages, site.person),
        "is_cut": len(thread.messages) == MAX_IN_THREAD,
        "names": await site.names_of([thread]),
    }


def in_tree(thread: Thread, person: str) -> list[dict[str, Any]]:
    """Return the messages in reading order, each with its depth, its deliveries, and whether the person has read it."""
    message_ids = {each.message_id for each in thread.messages}
    states: dict[str, list[Any]] = {}
    for delivery in thread.deliveries:
        states.setdefault(delivery.message_id, []).append(delivery)
    replies: dict[str | None, list[Message]] = {}
    for message in thread.messages:
        parent = message.in_reply_to
        replies.setdefault(parent if parent in message_ids else None, []).append(message)
    tree, waiting = [], [(message, 0) for message in reversed(replies.get(None, []))]
    while waiting:
        message, depth = waiting.pop()
        tree.append(
            {
                "message": message,
                "depth": min(depth, DEEPEST),
                "deliveries": states.get(message.message_id, []),
                "is_unread": any(
                    each.recipient == person and each.state in UNREAD for each in states.get(message.message_id, [])
                ),
                "answers_gone": bool(message.in_reply_to) and message.in_reply_to not in message_ids,
            }
        )
        waiting += [(reply, depth + 1) for reply in reversed(replies.get(message.message_id, []))]
    return tree


def _to_answer(messages: list[Message], person: str) -> Message | None:
    """Return the message that a reply from the page answers: the newest of another party, else the newest."""
    others = [each for each in messages if each.from_session != person]
    return (others or messages)[-1] if messages else None
