"""The rules of the attention list: which rows are items, what an item says, and which item comes first (H1).

It reads what all callers together may see; `services/attention.py` shows each caller its part.
"""

from __future__ import annotations

import os

from hallway.core.clock import SECOND, to_datetime
from hallway.core.hashing import short_digest
from hallway.core.model import ATTENTION_KINDS, PERSON, AttentionItem
from hallway.core.operation import decode_record
from hallway.core.schema import Duration, decode, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeVar

    from hallway.store import Row, Store

    T = TypeVar("T")

STUCK_AFTER = "15m"  # without progress; HALLWAY_STUCK_AFTER, as in 15m,codex=30m,gemini=0; 0: never
NOTICED_AFTER = 60 * SECOND  # how long an urgent message may be unread, and a task unclaimed, before it is an item
ANSWER_WITHIN = 60 * SECOND  # after which a session that still waits is as important as before its answer
LOOK_AGAIN = 2 * SECOND  # at stuck sessions: their progress is no event
NEVER = 2**63 - 1
MAX_LISTS = 100  # of callers, kept with a snapshot
OPEN, ANSWERED, DISMISSED = "open", "answered", "dismissed"
RANKS = {kind: rank for rank, kind in enumerate(ATTENTION_KINDS)}
OF_SESSIONS = ("permission", "question", "stuck", "finished")  # kinds that are about the status of a session
MERGES = {"clean": ", and the two merge cleanly", "conflict": ", and the merge conflicts"}
ACTIONS = {
    "permission": ["open", "dismiss"],  # no client takes the answer from outside
    "question": ["answer", "open", "dismiss"],
    "request": ["answer", "open", "dismiss"],
    "conflict": ["open", "dismiss"],
    "overdue": ["nudge", "open", "dismiss"],
    "stuck": ["nudge", "answer", "open", "dismiss"],
    "urgent": ["nudge", "open", "dismiss"],
    "orphaned": ["nudge", "open", "dismiss"],
    "unclaimed": ["nudge", "open", "dismiss"],
    "finished": ["answer", "open", "dismiss"],
}


class StuckAfter:
    """How long a working session may show no progress before it is stuck, in microseconds by client; 0: for ever."""

    def __init__(self, setting: str | None = None) -> None:
        name, kind = "HALLWAY_STUCK_AFTER", Duration(most=7 * 24 * 3600)
        text = os.environ.get(name, "") if setting is None else setting
        self._by_client: dict[str, int] = {}
        self._default = kind.parse(name, STUCK_AFTER) * SECOND
        for part in filter(None, map(str.strip, text.split(","))):
            client, is_of_client, duration = part.rpartition("=")
            limit = kind.check(name, kind.parse(name, duration.strip())) * SECOND
            if is_of_client:
                self._by_client[client.strip()] = limit
            else:
                self._default = limit
        self.least = min(filter(None, (self._default, *self._by_client.values())), default=NEVER)

    def of(self, client: str) -> int:
        """Return the limit of a client, in microseconds; 0: its sessions are never stuck."""
        return self._by_client.get(client, self._default)


class Entry:
    """An item with what decides who may see it, and where it is in the list.

    `projects` are those through which it may be seen beside its own and that of its session, which is `home`; `people`
    are the addresses of the persons who may see it anyway. `recipient` is the person whom it is for alone, if there is
    one.
    """

    __slots__ = ("answered_at", "home", "item", "people", "projects", "recipient", "since")

    def __init__(
        self,
        item: AttentionItem,
        since: int,
        *,
        home: str | None = None,
        recipient: str | None = None,
        projects: list[str] | None = None,
        people: list[str] | None = None,
    ) -> None:
        self.item = item
        self.since = since
        self.home = home
        self.recipient = recipient
        self.projects = projects or []
        self.people = people or []
        self.answered_at = 0

    def rank(self, now: int) -> tuple[int, bool, int, int, str, str]:
        """Return what the list is sorted by: urgent items first, then by kind, then the oldest."""
        item = self.item
        is_waiting = item.kind in OF_SESSIONS and now - self.answered_at >= ANSWER_WITHIN
        needs_nobody = 2 if item.state == DISMISSED else int(item.state == ANSWERED and not is_waiting)
        return needs_nobody, not item.is_urgent, RANKS[item.kind], self.since, item.message_id or "", item.item_id

    def in_state(self, state: str, at: int) -> Entry:
        """Return the entry of the same item in another state, since a time."""
        values = {name: getattr(self, name) for name in ("home", "recipient", "projects", "people")}
        entry = Entry(self.item.replace(state=state, state_since=to_datetime(at)), self.since, **values)
        entry.answered_at = at if state == ANSWERED else 0
        return entry

    def to_text(self) -> str:
        """Return the entry as JSON."""
        values = {name: getattr(self, name) for name in self.__slots__ if name not in ("item", "answered_at")}
        return encode({**values, "item": self.item})

    @classmethod
    def of_text(cls, text: str) -> Entry:
        """Return the entry that `to_text` wrote."""
        values = decode(text)
        return cls(decode_record(AttentionItem, values.pop("item")), values.pop("since"), **values)


class Look:
    """One look at a store: its items in no order, and `until` when they stay so unless an event says otherwise."""

    def __init__(self, store: Store, stuck_after: StuckAfter) -> None:
        self.now = store.now
        self.until = NEVER
        self.store = store
        self._stuck_after = stuck_after
        self.entries = [
            *self._sessions(),
            *self._requests(),
            *self._conflicts(),
            *self._overdue(),
            *self._urgent(),
            *self._tasks(),
        ]

    def _ends_at(self, at: int | None) -> None:
        """Record a time at which the list may change by itself."""
        if at is not None and at > self.now:
            self.until = min(self.until, at)

    def _sessions(self) -> Iterator[Entry]:
        since = self.now - self._stuck_after.least
        for *session, status, reason, what, status_since, progress_at in self.store.rows(
            "attention.sessions", now=self.now, since=since
        ):
            client = session[2]
            if status == "working":
                limit = self._stuck_after.of(client)
                if limit and progress_at + limit <= self.now:
                    self._ends_at(self.now + LOOK_AGAIN)
                    yield _of_session("stuck", session, what, progress_at)
                elif limit:
                    self._ends_at(progress_at + limit)
                continue
            kind = "finished" if status == "idle" else "permission" if reason == "permission" else "question"
            yield _of_session(kind, session, what, status_since)
        row = self.store.one("attention.next_stuck", now=self.now, since=since)
        self._ends_at(row[0] + self._stuck_after.least if row and row[0] is not None else None)

    def _requests(self) -> Iterator[Entry]:
        for row in self._rows("attention.requests"):
            message_id, kind, priority, project, subject, sender, sent_at, recipient, expires_at, *session = row
            self._ends_at(expires_at)
            yield _entry(
                "request" if kind == "request" else "urgent",
                (message_id, recipient),
                session,
                subject,
                sent_at,
                project=project,
                who=sender,
                is_urgent=priority == "urgent",
                message_id=message_id,
                recipient=recipient,
                people=[sender, recipient],
            )

    def _conflicts(self) -> Iterator[Entry]:
        for row in self._rows("attention.conflicts"):
            conflict_id, project, path, found_at, expires_at, merge, is_same, other, *session = row
            self._ends_at(expires_at)
            where = "in the same worktree" if is_same else f"in another worktree{MERGES.get(merge, '')}"
            what = f"{path}: {other} writes it, too, {where}"
            yield _entry("conflict", (conflict_id,), session, what, found_at, project=project, who=session[0] or other)

    def _overdue(self) -> Iterator[Entry]:
        for message_id, project, subject, priority, sender, to, reply_by, *session in self._rows("attention.overdue"):
            yield _entry(
                "overdue",
                (message_id, str(reply_by)),
                session,
                subject,
                reply_by,
                project=project,
                who=to,
                is_urgent=priority == "urgent",
                message_id=message_id,
                people=[sender, to],
            )

    def _urgent(self) -> Iterator[Entry]:
        last = None
        for row in self._rows("attention.urgent"):
            message_id, project, subject, sender, address, sent_at, expires_at, *session = row
            self._ends_at(expires_at)
            self._ends_at(sent_at + NOTICED_AFTER)
            if message_id == last or sent_at + NOTICED_AFTER > self.now:
                continue  # a message to a group is one item
            last = message_id
            is_direct = address == session[0]
            yield _entry(
                "urgent",
                (message_id,),
                session if is_direct else [None] * len(session),
                subject,
                sent_at,
                project=project,
                who=address,
                is_urgent=True,
                message_id=message_id,
                projects=[session[5]],
                people=[sender],
            )

    def _tasks(self) -> Iterator[Entry]:
        for row in self._rows("attention.tasks"):
            task_id, project, subject, offerer, to, owner, former, created_at, updated_at, priority, *session = row
            is_persons = to.startswith(PERSON)
            kind = "request" if is_persons else "orphaned" if former else "unclaimed"
            since = created_at if kind == "unclaimed" else updated_at
            if kind == "unclaimed" and since + NOTICED_AFTER > self.now:
                self._ends_at(since + NOTICED_AFTER)
                continue
            yield _entry(
                kind,
                (task_id, to if is_persons else str(since)),
                session,
                subject,
                since,
                project=project,
                who=former or owner or offerer,
                is_urgent=priority == "urgent",
                message_id=task_id,
                task_id=task_id,
                recipient=to if is_persons else None,
                people=[each for each in (offerer, to, owner) if each],
            )

    def _rows(self, statement: str) -> list[Row]:
        return self.store.rows(statement, now=self.now)


class Snapshot:
    """The list as it was at an event: `entries` in order, and the differences from what is announced."""

    def __init__(self, last_event: Row | None, look: Look) -> None:
        self.last_event = last_event
        self.now = look.now
        self.until = look.until
        self.new: list[Entry] = []
        self.gone: list[Entry] = []
        self.entries: list[Entry] = []
        self._lists: dict[Any, Any] = {}
        rows = {item_id: state for item_id, *state in look.store.rows("attention.known")}
        for entry in look.entries:
            state = rows.pop(entry.item.item_id, None)
            if state is None:
                self.new.append(entry)
                self.entries.append(entry)
            else:
                self._add(entry, *state)
        for item_id, (dismissed_at, answered_at, has_answer) in rows.items():
            (text,) = look.store.one("attention.item", item_id=item_id) or ("",)
            entry = Entry.of_text(text)
            if answered_at is None or has_answer:
                self.gone.append(entry)
            else:
                self._add(entry, dismissed_at, answered_at, False)
        self.entries.sort(key=lambda each: each.rank(self.now))

    def _add(self, entry: Entry, dismissed_at: int | None, answered_at: int | None, has_answer: bool) -> None:
        if has_answer:
            return  # the session goes on as soon as it can
        if answered_at is not None and answered_at + ANSWER_WITHIN > self.now:
            self.until = min(self.until, answered_at + ANSWER_WITHIN)
        if dismissed_at is not None:
            entry = entry.in_state(DISMISSED, dismissed_at)
        elif answered_at is not None:
            entry = entry.in_state(ANSWERED, answered_at)
        self.entries.append(entry)

    def remember(self, caller: tuple[Any, ...], make: Callable[[], T]) -> T:
        """Return what was made of this snapshot for a caller; make it if it was not."""
        made: T | None = self._lists.get(caller)
        if made is None:  # another thread may make it, too
            made = make()
            if len(self._lists) >= MAX_LISTS:
                self._lists.clear()
            self._lists[caller] = made
        return made

    @property
    def has_changes(self) -> bool:
        """Return whether items have to be announced or resolved."""
        return bool(self.new or self.gone)


def _of_session(kind: str, session: list[Any], what: str, since: int) -> Entry:
    subject = (session[0], str(since), what if kind in ("permission", "question") else "")
    return _entry(kind, subject, session, what, since, project=session[5], who=session[0])


def _entry(
    kind: str,
    subject: tuple[str, ...],
    session: list[Any],
    what: str,
    since: int,
    *,
    project: str,
    who: str,
    is_urgent: bool = False,
    message_id: str | None = None,
    task_id: str | None = None,
    recipient: str | None = None,
    projects: list[str] | None = None,
    people: list[str] | None = None,
) -> Entry:
    """Return an item about a subject; `session` is the columns of `attention_session`, which are NULL for a person."""
    session_id, name, client, branch, human_user, home, _, metadata = session
    at = to_datetime(since)
    item = AttentionItem.of(
        (
            item_id_of(kind, *subject),
            kind,
            is_urgent,
            OPEN,
            at,
            project,
            session_id,
            name or who.removeprefix(PERSON),
            client,
            branch,
            recipient.removeprefix(PERSON) if recipient else human_user,
            what,
            at,
            message_id,
            task_id,
            _terminal(metadata),
            ACTIONS["request" if kind == "urgent" and recipient else kind],
        )
    )
    return Entry(item, since, home=home, recipient=recipient, projects=projects, people=people)


def _terminal(metadata: str | None) -> Any:
    """Return where a session's terminal is, as its hooks recorded it; None if nothing is known."""
    return decode(metadata).get("terminal") if metadata and '"terminal"' in metadata else None


def item_id_of(*subject: str) -> str:
    """Return an item's id: the same for the same subject on every hub, and no other subject can be given it.

    Only the last part of a subject may have line ends.
    """
    return short_digest("\n".join(subject))
