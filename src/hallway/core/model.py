"""What is on the bus: plain values, immutable, equal by content.

A `InstallLedger` is what a dataclass would be, without importing `dataclasses` (which costs a hook more than its whole
work: see docs/decisions/0003). Fields are the annotations, in order; a store builds one from a row by position.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any, ClassVar, Self, dataclass_transform

    Json = Any  # anything JSON can say
else:
    Json = object  # a name that annotations mean at run time, without importing `typing`

    def dataclass_transform(**_):
        return lambda cls: cls


STATUSES = ("active", "idle", "working", "waiting", "offline")
LIVE_STATUSES = STATUSES[:-1]
MEMORY_TYPES = ("state", "fact", "decision", "task", "context", "note", "config")
MESSAGE_TYPES = (
    "ping",
    "request",
    "response",
    "broadcast",
    "notification",
    "task_offer",
    "task_accept",
    "sync",
    "handoff",
)
PRIORITIES = ("low", "normal", "high", "urgent")
DELIVERY_STATES = ("stored", "injected", "acknowledged")
TASK_STATUSES = ("offered", "accepted", "completed", "cancelled")
ROLES = OBSERVER, AGENT, ADMIN = "observer", "agent", "admin"
EVERYBODY = "*"  # the address of a project's sessions
CAPABILITY = "capability:"  # of those of them that have one
PERSON = "user:"


def _field(index: int) -> property:
    return property(lambda record: record._values[index])


class FieldValues:
    """The values of a record's fields, in order: no field itself, so no type checker wants it to construct one."""

    __slots__ = ("_values",)
    _values: tuple[Any, ...]


@dataclass_transform(kw_only_default=True, frozen_default=True)
class RecordType(type):
    """Makes a read-only property, in order, from each of a class's annotations."""

    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> RecordType:
        fields = tuple(field for field in namespace.get("__annotations__", ()) if field[0] != "_")
        namespace["__slots__"] = ()
        namespace["_fields"] = fields
        namespace.update((field, _field(index)) for index, field in enumerate(fields))
        return super().__new__(mcls, name, bases, namespace)


class Record(FieldValues, metaclass=RecordType):
    """A value with named fields; `to_dict` is its JSON shape, times left as datetimes."""

    if TYPE_CHECKING:
        _fields: ClassVar[tuple[str, ...]]
    else:

        def __init__(self, **fields):
            if fields.keys() != set(self._fields):
                wrong = sorted(fields.keys() ^ set(self._fields))
                raise TypeError(f"{type(self).__name__} has the fields {self._fields}; wrong: {wrong}")
            self._values = tuple(fields[field] for field in self._fields)

    @classmethod
    def of(cls, values: tuple[Any, ...]) -> Self:
        """Build one from its fields' values in order."""
        self = _new(cls)
        self._values = values
        return self

    def to_dict(self) -> dict[str, Any]:
        return dict(zip(self._fields, self._values, strict=True))

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed."""
        return type(self)(**{**self.to_dict(), **changes})

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._values == other._values

    def __hash__(self) -> int:
        return hash(self._values[0])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.to_dict().items())})"


_new = Record.__new__


class Session(Record):
    """One running agent conversation, known by the agent's own session id."""

    session_id: str
    agent_name: str
    agent_type: str
    project: str
    status: str
    current_task: str | None
    status_detail: Json
    human_user: str | None
    location: str | None
    branch: str | None
    capabilities: list[str]
    metadata: dict[str, Json]
    started_at: datetime
    last_seen: datetime
    ttl_s: int
    ended_at: datetime | None
    end_reason: str | None

    @property
    def is_live(self) -> bool:
        """Return whether the session was live (S2) when it was read."""
        return self.ended_at is None


class PeerSession(Record):
    """Another live session, in the few words an agent needs; `silent_s` is how long ago it was seen, in seconds."""

    session_id: str
    agent_name: str
    agent_type: str
    status: str
    current_task: str | None
    human_user: str | None
    branch: str | None
    silent_s: int


class FileConflict(Record):
    """Something two live sessions do to the same thing."""

    kind: str
    subject: str
    session_id: str
    detail: str


class Heartbeat(Record):
    """What a heartbeat answers with (S5): who else is here, and whether something waits for this session."""

    session_id: str
    project: str
    status: str
    others: list[PeerSession]
    others_total: int
    unread: int
    conflicts: list[FileConflict]


class ActiveSessions(Record):
    """The live sessions of a project: the first of them, newest first, and how many there are."""

    project: str
    sessions: list[PeerSession]
    total: int


class Message(Record):
    """A typed, addressed, durable piece of text and data; `seq` rises without repeating, over all messages of a bus."""

    message_id: str
    seq: int
    type: str
    from_session: str
    to_session: str
    project: str
    subject: str
    body: str
    data: dict[str, Json]
    priority: str
    in_reply_to: str | None
    thread_id: str
    task_id: str | None
    sent_at: datetime
    expires_at: datetime | None


class Receipt(Record):
    """What a sender hears: the message is on disk, for so many inboxes.

    `recipient_status` is the one recipient's; `offline`: the message waits for it. `is_repeat`: the idempotency key
    was known, and this is about the first message. `held_back`: why it wakes nobody, where it otherwise would (M8).
    """

    message_id: str
    seq: int
    thread_id: str
    task_id: str | None
    recipients: int
    recipient_status: str | None
    is_repeat: bool
    held_back: str | None


class WakeUp(Record):
    """What an idle session is to be woken with; no messages: nothing, or not before `retry_after_s`."""

    session_id: str
    messages: list[Message]
    retry_after_s: float | None


class Delivery(Record):
    """How far a message has come with one recipient: stored, injected (its client took it) or acknowledged."""

    message_id: str
    recipient: str
    state: str
    stored_at: datetime
    injected_at: datetime | None
    acknowledged_at: datetime | None


class InboxSummary(Record):
    """How much a session or person has not acknowledged: `unread` messages, `urgent` ones of them, since when."""

    recipient: str
    unread: int
    urgent: int
    oldest_at: datetime


class Thread(Record):
    """A message and everything that replies to it, by `seq`; `in_reply_to` makes it a tree, whose root may be gone."""

    thread_id: str
    messages: list[Message]
    deliveries: list[Delivery]


class PingResult(Record):
    """What a ping answers with: how the other session is."""

    session_id: str
    agent_name: str
    is_live: bool
    status: str
    current_task: str | None
    last_seen: datetime
    message_id: str


class Task(Record):
    """A piece of work that is offered, accepted by exactly one session, handed off, completed.

    `task_id` is the id of the message that first told of it. `offered_to` is whom it is offered to now; beside an
    owner it means that the owner is handing it off.
    """

    task_id: str
    project: str
    subject: str
    body: str
    data: dict[str, Json]
    status: str
    offered_by: str
    offered_to: str | None
    owner: str | None
    result: str | None
    created_at: datetime
    updated_at: datetime


class Pruned(Record):
    """What retention removed, by noun; not complete: there is more, ask again."""

    removed: dict[str, int]
    is_complete: bool


class SessionStats(Record):
    """How many sessions the bus knows; `by_…` count live and offline ones alike."""

    total: int
    live: int
    offline: int
    by_status: dict[str, int]
    by_type: dict[str, int]
    by_user: dict[str, int]


class EventStats(Record):
    """How long the record of events is: how many it holds, and the last one's `seq`."""

    total: int
    last_seq: int


class MessageStats(Record):
    """How many messages the bus holds, how many bytes of text and data, and how many deliveries are unread."""

    total: int
    size_bytes: int
    unread: int
    by_type: dict[str, int]


class TaskStats(Record):
    """How many tasks the bus knows."""

    total: int
    by_status: dict[str, int]


class MemoryEntry(Record):
    """One version of what is remembered under a key: any JSON, with its author; gone at `expires_at`."""

    entry_id: str
    key: str
    type: str
    value: Json
    version: int
    tags: list[str]
    session_id: str
    project: str
    created_at: datetime
    expires_at: datetime | None
    metadata: dict[str, Json]


class MemoryHit(Record):
    """An entry in a list: its fields (`value` null unless asked for), a line of it, and where the next page begins.

    In `line`, what was searched for stands between `**`.
    """

    entry_id: str
    key: str
    type: str
    value: Json
    version: int
    tags: list[str]
    session_id: str
    project: str
    created_at: datetime
    expires_at: datetime | None
    metadata: dict[str, Json]
    line: str
    cursor: str


class MemoryStats(Record):
    """How many entries are remembered, each counted once whatever its versions, and of which types."""

    total: int
    by_type: dict[str, int]


class FileTouch(Record):
    """That a session has written a file, and when last; `path` is absolute on the session's machine."""

    project: str
    path: str
    session_id: str
    at: datetime


class Token(Record):
    """What a token lets its bearer do, and when it was used last; the token itself is nowhere kept.

    `projects` null: all of them. It is good until `expires_at` or `revoked_at`.
    """

    name: str
    role: str
    projects: list[str] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    last_used_from: str | None


class Login(Record):
    """A browser that is logged in to the page with a token, and at which hub; it ends with the token at the latest."""

    login_id: str
    name: str
    host: str
    browser: str | None
    began_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    last_used_from: str | None


class NewToken(Record):
    """A token that was just made; `token` is shown this once."""

    name: str
    role: str
    projects: list[str] | None
    expires_at: datetime | None
    token: str


class Identity(Record):
    """Who the bus takes a caller for: the name of its token, null for whoever owns the bus."""

    name: str | None
    role: str
    projects: list[str] | None


class Stats(Record):
    """The bus in numbers, noun by noun."""

    sessions: SessionStats
    messages: MessageStats
    tasks: TaskStats
    memory: MemoryStats
    events: EventStats


class Event(Record):
    """One line of the append-only record of what happened; `seq` rises without repeating."""

    seq: int
    at: datetime
    kind: str
    project: str
    session_id: str | None
    data: dict[str, Json]
