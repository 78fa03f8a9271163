"""The full-text index of messages, and a search in it.

Sending does not write the index: each search first indexes what was sent since the last one, and a hub does so with its
retention. So a message costs its sender nothing, and a search finds every message.
"""

from __future__ import annotations

from hallway.core.errors import StorageError, Unavailable
from hallway.core.model import Message, MessageHit
from hallway.core.schema import encode
from hallway.services.rows import record_of
from hallway.services.search import Search, how_many_fit
from hallway.store.tokenize import Excerpts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.core.context import Context

INDEX_AT_ONCE = 500  # messages indexed in one transaction: some milliseconds
INDEX_BYTES = 256 * 1024  # of their texts
SHOWN_LENGTH = 8 * 1024  # characters of a text that are searched for its line in a list


def index_new(bus: Context) -> None:
    """Index what was sent since the last time; other processes may do so at the same moment."""
    principal, bus.principal = bus.principal, None  # the bus's own work
    try:
        while _index_some(bus):
            pass
    except (StorageError, Unavailable):
        pass  # a full disk or a stuck writer must not stop a reader, who finds what was indexed before
    finally:
        bus.principal = principal


def _index_some(bus: Context) -> bool:
    """Index the oldest messages that are not indexed; return whether there were any.

    Their words are found before the transaction, which begins with a check that they are still not indexed. The labels
    are read inside of it, because the project may have been moved since.
    """
    store = bus.store
    with store.read():
        last = _last_indexed(store)
        rows = store.rows("messages.not_indexed", last=last, limit=INDEX_AT_ONCE, most_bytes=INDEX_BYTES)
    if not rows:
        return False
    words = {seq: store.fulltext.indexed(subject, "", body) for seq, subject, body in rows}
    with bus.transaction(is_durable=False):  # type: ignore[attr-defined]
        if _last_indexed(store) == last:
            for seq, project, sender in store.rows("messages.labels", after=last, before=rows[-1][0] + 1):
                _add(store, seq, words[seq], project, sender)
    return True


def reindex(bus: Context, seqs: list[int]) -> None:
    """Index messages anew that were moved to another project, within the transaction that moved them."""
    store = bus.store
    last = _last_indexed(store)
    seqs = [seq for seq in seqs if seq <= last]
    for start in range(0, len(seqs), INDEX_AT_ONCE):
        for seq, subject, body, project, sender in store.rows(
            "messages.texts_of", seqs=encode(seqs[start : start + INDEX_AT_ONCE])
        ):
            store.change("messages.index_drop", id=seq)
            _add(store, seq, store.fulltext.indexed(subject, "", body), project, sender)


def _add(store: Any, seq: int, words: dict[str, Any], project: str, sender: str) -> None:
    labelled = store.fulltext.labelled_words(words, _labels(project, sender))
    store.change("messages.index_add", id=seq, **labelled)


def _labels(project: str | None, sender: str | None) -> list[str]:
    return [f"{field}{value}" for field, value in (("p", project), ("s", sender)) if value]


def _last_indexed(store: Any) -> int:
    row = store.one("messages.last_indexed")
    return row[0] or 0 if row else 0


def find(bus: Context, query: str, whose: dict[str, Any], limit: int, cursor: str | None) -> list[MessageHit]:
    """Return the messages that match, best first, among those that the parameters `whose` select."""
    wanted = _labels(whose["project"], whose["from_session"])
    labels = bus.store.fulltext.labelled(wanted) if wanted else ""
    search = Search(
        bus.store,
        "messages",
        {**whose, "limit": limit},
        whose,
        labels=labels,
        counted_labels=labels,
        is_alone=bus.visible is not None,
    )
    hits = search.by_relevance(query, cursor)
    hits = hits[: how_many_fit([hit.size_bytes for hit in hits])]
    rows = bus.store.rows("messages.of_seqs", seqs=encode([hit.entry for hit in hits])) if hits else []
    excerpts = Excerpts(query, is_near=any(hit.is_near for hit in hits))
    found = []
    for row, hit in zip(rows, hits, strict=True):
        message = record_of(Message, row)
        line = excerpts.of(f"{message.subject} {message.body[:SHOWN_LENGTH]}")
        found.append(MessageHit.of((*message._values, line, hit.cursor, hit.is_loose)))
    return found
