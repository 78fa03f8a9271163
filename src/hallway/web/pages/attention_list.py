"""What needs a person, on the home page and on its own page: the list in groups, and what is new in it."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from hallway.core.errors import MessageNotFound
from hallway.services.attention import AttentionList
from hallway.services.messages import CollaborationHub
from hallway.text.sanitize import sanitize

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hallway.core.model import Attention, AttentionItem, Event
    from hallway.web.site import Site

READ = AttentionList.operations["read"]
GET = CollaborationHub.operations["get"]

ITEMS = 100  # of a page
MAX_UNFOLDED = 12  # items that the home page shows before the others are folded
LONG = 180  # characters of a question that three lines hold on a narrow screen
LINES = 3

# The groups below the items to act on, in the order of the service's list: name, title, kinds, states.
FOLDS = (
    ("stuck", "Stuck", ("stuck",)),
    ("unclaimed", "Unclaimed", ("orphaned", "unclaimed")),
    ("finished", "Finished", ("finished",)),
)
LAST = (("answered", "Answered, not yet picked up"), ("dismissed", "Dismissed"))

# What the line about changes counts: the kind of event (of an item: its kind too), one of it, several of it.
CHANGES = (
    ("attention.appeared permission", "permission asked for", "permissions asked for"),
    ("attention.appeared question", "question", "questions"),
    ("attention.appeared request", "request to you", "requests to you"),
    ("attention.appeared conflict", "conflict", "conflicts"),
    ("attention.appeared overdue", "overdue request", "overdue requests"),
    ("attention.appeared stuck", "session stuck", "sessions stuck"),
    ("attention.appeared urgent", "urgent message unread", "urgent messages unread"),
    ("attention.appeared orphaned", "task without its owner", "tasks without their owners"),
    ("attention.appeared unclaimed", "unclaimed task", "unclaimed tasks"),
    ("attention.appeared finished", "finished turn", "finished turns"),
    ("attention.resolved", "item resolved", "items resolved"),
    ("task.completed", "task completed", "tasks completed"),
    ("session.registered", "new session", "new sessions"),
    ("session.ended", "session ended", "sessions ended"),
    ("session.expired", "session gone silent", "sessions gone silent"),
    ("message.sent", "message", "messages"),
    ("memory.set", "memory entry written", "memory entries written"),
)


async def needs(site: Site, query: dict[str, str]) -> dict[str, Any]:
    """Return what needs a person, for the home page: the most important first, the lesser kinds folded."""
    project = query.get("project") or None
    open_ones: Attention = await site.ask(READ, project=project, limit=ITEMS)
    whole: Attention = await site.ask(READ, project=project, include_dismissed=True, limit=ITEMS)
    return {
        "top": open_ones.items,
        "total": open_ones.total,
        "more": open_ones.total - len(open_ones.items),
        "since": changes_since(site.activity.events, query.get("looked", ""), project),
        **await _content(site, whole.items, MAX_UNFOLDED),
    }


async def attention(site: Site, query: dict[str, str]) -> dict[str, Any]:
    """Return the whole list of what needs a person, by pages, with what was dismissed at its end."""
    wanted = {"project": query.get("project", "")}
    page: Attention = await site.ask(
        READ,
        project=wanted["project"] or None,
        include_dismissed=True,
        after_id=query.get("after") or None,
        limit=ITEMS,
    )
    return {
        "filters": wanted,
        "is_filtered": bool(wanted["project"]),
        "choices": {"project": site.projects(wanted["project"])},
        "items": page.items,
        "total": page.total,
        "is_last": len(page.items) < ITEMS,
        **await _content(site, page.items, ITEMS),
    }


async def _content(site: Site, items: list[AttentionItem], most: int) -> dict[str, Any]:
    """Return the groups of some items, and the question of each in full."""
    texts = await asyncio.gather(*(question(site, each) for each in items))
    return {
        "groups": in_groups(items, most),
        "questions": {
            each.item_id: {"text": text, "is_long": len(text) > LONG or text.count("\n") >= LINES}
            for each, text in zip(items, texts, strict=True)
        },
    }


def in_groups(items: list[AttentionItem], most: int) -> list[dict[str, Any]]:
    """Return all groups, also empty ones; one after the other, their items are the list in its order.

    Those to act on come first, at most `most` of them before the others are folded; then stuck sessions, tasks that
    nobody has and finished turns that are not urgent; then what was answered and what was dismissed.
    """
    settled = len(list(takewhile(lambda each: each.state != "open", reversed(items))))
    waiting, tail = items[: len(items) - settled], items[len(items) - settled :]
    folded = {kind: name for name, _, kinds in FOLDS for kind in kinds}
    by_fold: dict[str, list[AttentionItem]] = {name: [] for name in ("", *(name for name, *_ in FOLDS))}
    for each in waiting:
        by_fold["" if each.is_urgent else folded.get(each.kind, "")].append(each)
    groups = [
        {"name": "list", "title": "", "items": by_fold[""][:most]},
        {"name": "more", "title": "More", "items": by_fold[""][most:]},
        *({"name": name, "title": title, "items": by_fold[name]} for name, title, _ in FOLDS),
    ]
    return groups + [
        {"name": state, "title": title, "items": [each for each in tail if each.state == state]}
        for state, title in LAST
    ]


async def question(site: Site, item: AttentionItem) -> str:
    """Return what an item asks, in full: for a message its subject and text."""
    if item.message_id is None:
        return item.what
    try:
        message = await site.ask(GET, message_id=item.message_id)
    except MessageNotFound:  # pruned, or not for the viewer
        return item.what
    body: str = message.body.strip()
    return body if body.startswith(item.what) else f"{item.what}\n{body}".strip()


def changes_since(events: Iterable[Event], looked: str, project: str | None) -> dict[str, Any] | None:
    """Return what happened since the person last looked; None if that is not known.

    `looked` is what the page's script keeps in a cookie: the seq of the last event that was shown, and the time.
    """
    seq, _, at_s = looked.partition(".")
    if not (looked.isascii() and len(looked) < 40 and seq.isdigit() and at_s.isdigit()):
        return None
    counted = Counter(
        f"{each.kind} {each.data.get('kind')}" if each.kind == "attention.appeared" else each.kind
        for each in events
        if each.seq > int(seq) and project in (None, each.project)
    )
    return {
        "at_s": int(at_s),
        "changes": [
            f"{count} {sanitize(one if count == 1 else several)}"
            for kind, one, several in CHANGES
            if (count := counted[kind])
        ],
    }
