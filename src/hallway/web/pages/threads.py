"""The page of message threads, and the page of one thread as a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hallway.services.messages import CollaborationHub

if TYPE_CHECKING:
    from hallway.core.model import Message, Thread
    from hallway.web.site import Site

SENT = CollaborationHub.operations["sent"]
THREAD = CollaborationHub.operations["get_conversation"]

LOOKED_AT = 200  # newest messages whose threads are listed
MAX_IN_THREAD = 200
SHOWN_PARTIES = 4
DEEPEST = 6  # levels of indentation: deeper replies are not indented further


async def messages(site: Site, query: dict[str, str]) -> dict[str, Any]:
    """Return the data of the threads page; the thread with the newest message is first."""
    before = query.get("before", "")
    wanted = {name: query.get(name, "") for name in ("project", "type", "q")}
    found: list[Message] = await site.ask(
        SENT,
        project=wanted["project"] or None,
        limit=LOOKED_AT,
        before=int(before) if before.isascii() and before.isdigit() and 0 < len(before) < 18 else None,
    )
    fitting = [each for each in found if _fits(each, wanted)]
    threads: dict[str, list[Message]] = {}
    for each in fitting:
        threads.setdefault(each.thread_id, []).append(each)
    summaries = [_summary(thread_id, said) for thread_id, said in threads.items()]
    return {
        "filters": wanted,
        "is_filtered": any(wanted.values()) or bool(before),
        "choices": {"project": sorted({*site.activity.projects, *filter(None, [wanted["project"]])})},
        "threads": summaries,
        "names": await site.names.of(party for each in summaries for party in each["parties"][:SHOWN_PARTIES]),
        "looked_at": len(found),
        "older": found[-1].seq if len(found) == LOOKED_AT else None,
    }


def _fits(message: Message, wanted: dict[str, str]) -> bool:
    text = wanted["q"].casefold()
    texts = (message.subject, message.body, message.from_session, message.to_session)
    return wanted["type"] in ("", message.type) and (not text or any(text in each.casefold() for each in texts))


def _summary(thread_id: str, said: list[Message]) -> dict[str, Any]:
    """Return the summary of a thread; `said` are its newest messages, newest first."""
    first, last = said[-1], said[0]
    parties = [party for each in reversed(said) for party in (each.from_session, each.to_session)]
    return {
        "thread_id": thread_id,
        "subject": first.subject.removeprefix("Re: "),
        "last": last,
        "count": len(said),
        "is_whole": first.message_id == thread_id,
        "parties": list(dict.fromkeys(parties)),
    }


async def thread(site: Site, query: dict[str, str]) -> dict[str, Any]:
    """Return the data of a thread's page: a message and all replies, with their delivery states."""
    found: Thread = await site.ask(THREAD, message_id=query.get("id", ""), limit=MAX_IN_THREAD)
    return {
        "thread_id": found.thread_id,
        "subject": found.messages[0].subject if found.messages else found.thread_id,
        "tree": in_tree(found),
        "to_answer": _to_answer(found.messages, site.person),
        "is_cut": len(found.messages) == MAX_IN_THREAD,
        "names": await site.names.of(parties_of(found)),
    }


def parties_of(found: Thread) -> list[str]:
    """Return all parties named in a thread."""
    said = [party for each in found.messages for party in (each.from_session, each.to_session)]
    return [*said, *(each.recipient for each in found.deliveries)]


def in_tree(found: Thread) -> list[dict[str, Any]]:
    """Return the messages in reading order, each with its depth in the tree and its deliveries."""
    known = {each.message_id for each in found.messages}
    states: dict[str, list[Any]] = {}
    for delivery in found.deliveries:
        states.setdefault(delivery.message_id, []).append(delivery)
    replies: dict[str | None, list[Message]] = {}
    for message in found.messages:
        parent = message.in_reply_to
        replies.setdefault(parent if parent in known else None, []).append(message)
    tree, waiting = [], [(message, 0) for message in reversed(replies.get(None, []))]
    while waiting:
        message, depth = waiting.pop()
        tree.append(
            {
                "message": message,
                "depth": min(depth, DEEPEST),
                "deliveries": states.get(message.message_id, []),
                "answers_gone": bool(message.in_reply_to) and message.in_reply_to not in known,
            }
        )
        waiting += [(reply, depth + 1) for reply in reversed(replies.get(message.message_id, []))]
    return tree


def _to_answer(messages: list[Message], person: str) -> Message | None:
    """Return the message that a reply from the page answers: the newest of another party, else the newest."""
    others = [each for each in messages if each.from_session != person]
    return (others or messages)[-1] if messages else None
