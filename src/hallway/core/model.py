"""The records of a bus: plain immutable values that compare by content.

A `Record` works like a dataclass, without importing `dataclasses` (that import costs a hook more time than all of its
work: see docs/decisions/0003). Fields are the annotations, in order; a store builds a record from a row by position.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any, ClassVar, Self, dataclass_transform

    Json = Any  # any JSON value
else:
    Json = object  # annotations need the name at run time, without importing `typing`

    def dataclass_transform(**_):
        return lambda cls: cls


STATUSES = ("active", "idle", "working", "waiting", "offline")
LIVE_STATUSES = STATUSES[:-1]
REASONS = ("permission", "question", "done", "error", "limited", "interrupted")
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
CLAIM_MODES = ("exclusive", "shared")
CLAIM_STATES = ("granted", "waiting")
DELIVERY_STATES = ("stored", "injected", "acknowledged", "expired")
UNANSWERED_STATES = ("open", "turn_ended", "overdue", "recipient_gone")
REQUEST_STATES = (*UNANSWERED_STATES, "expired", "answered")
TASK_STATUSES = ("offered", "accepted", "completed", "cancelled")
ATTENTION_KINDS = (  # in the order of the list
    "permission",
    "question",
    "request",
    "conflict",
    "overdue",
    "stuck",
    "urgent",
    "orphaned",
    "unclaimed",
    "finished",
)
ATTENTION_STATES = ("open", "answered", "dismissed")
ROLES = OBSERVER, AGENT, ADMIN = "observer", "agent", "admin"
EVERYBODY = "*"  # the address of all sessions of a project
CAPABILITY = "capability:"  # prefix of the address of a project's sessions with one capability
CLIENT_TYPE = "type:"  # prefix of the address of a project's sessions of one client
BRANCH = "branch:"  # prefix of the address of a project's sessions on one branch
PERSON = "user:"  # prefix of a person's address
GROUPS = (CAPABILITY, CLIENT_TYPE, BRANCH)  # prefixes of addresses that any number of sessions may fit


def is_session(party: str) -> bool:
    """Return whether an address is one session's, and not a person's or that of many sessions."""
    return party != EVERYBODY and not party.startswith((PERSON, *GROUPS))


def _field(index: int) -> property:
    return property(lambda record: record._values[index])


class FieldValues:
    """The base of Record with the slot for its values; a separate class, so type checkers take it for no field."""

    __slots__ = ("_values",)
    _values: tuple[Any, ...]


@dataclass_transform(kw_only_default=True, frozen_default=True)
class RecordType(type):
    """A metaclass that turns each annotation of a class into a read-only property, in order, after its base's."""

    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> RecordType:
        inherited: tuple[str, ...] = getattr(bases[0], "_fields", ())
        fields = tuple(field for field in namespace.get("__annotations__", ()) if field[0] != "_")
        if inherited:
            namespace["__annotations__"] = {**bases[0].__annotations__, **namespace.get("__annotations__", {})}
        namespace["__slots__"] = ()
        namespace["_fields"] = inherited + fields
        namespace.update((field, _field(index)) for index, field in enumerate(fields, len(inherited)))
        return super().__new__(mcls, name, bases, namespace)


class Record(FieldValues, metaclass=RecordType):
    """A value with named fields. `to_dict` returns its JSON shape, with times as datetimes."""

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
        """Build a record from the values of its fields, in order."""
        self = _new(cls)
        self._values = values
        return self

    def to_dict(self) -> dict[str, Any]:
        return dict(zip(self._fields, self._values, strict=True))

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed. Raises TypeError for a field that it does not have."""
        values = list(self._values)
        for field, value in changes.items():
            if field not in self._fields:
                raise TypeError(f"{type(self).__name__} has the fields {self._fields}; wrong: {field}")
            values[self._fields.index(field)] = value
        return self.of(tuple(values))

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._values == other._values

    def __hash__(self) -> int:
        return hash(self._values[0])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.to_dict().items())})"


_new = Record.__new__


class Session(Record):
    """A running conversation of an agent, identified by the agent's own session id."""

    session_id: str
    name: str
    agent_name: str
    agent_type: str
    project: str
    status: str
    reason: str | None
    detail: str | None
    status_since: datetime
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
    """A short form of another live session.

    `silent_s` is the number of seconds since it was last seen, `status_s` since its status or reason changed.
    """

    session_id: str
    name: str
    agent_name: str
    agent_type: str
    status: str
    reason: str | None
    detail: str | None
    status_s: int
    current_task: str | None
    human_user: str | None
    branch: str | None
    silent_s: int


class ActiveSession(PeerSession):
    """A live session of a project, with the JSON that it keeps beside its status."""

    status_detail: Json
    last_seen: datetime


class SessionLabel(Record):
    """The name of a session, live or not. `is_shared`: another live session of the project has this name now."""

    session_id: str
    name: str
    is_shared: bool


class FileConflict(Record):
    """A conflict between two live sessions that have written the same file, as one of the two sees it.

    `session_id` and `name` are the other session's, `subject` is the file, `detail` says what the conflict means.
    """

    conflict_id: str
    seq: int
    kind: str
    subject: str
    session_id: str
    name: str
    branch: str | None
    detail: str


class ConflictParty(Record):
    """One of the two sessions of a conflict: where it has written the file, and when last.

    `worktree` is HOST:FOLDER, `path` the file's absolute path there.
    """

    session_id: str
    name: str
    branch: str | None
    worktree: str
    path: str
    written_at: datetime


class Conflict(Record):
    """A file that two live sessions of a project have written within an hour (C3); `path` is relative to the
    repository's root.

    `kind` is same_worktree or other_worktree. `seq` is that of the event `conflict.found`. `merge` is clean or conflict
    once a merge of the two worktrees was tried: with what each session has committed, and what it has written of this
    file and not committed. `merge_lines` are the lines of the first session's file that conflict, `merge_files` the
    files that do.
    """

    conflict_id: str
    seq: int
    project: str
    path: str
    kind: str
    found_at: datetime
    merge: str | None
    merge_lines: str | None
    merge_files: list[str]
    tried_at: datetime | None
    sessions: list[ConflictParty]


class Heartbeat(Record):
    """The result of a heartbeat (S5): the other live sessions, and the number of this session's unread messages."""

    session_id: str
    name: str
    project: str
    status: str
    others: list[PeerSession]
    others_total: int
    unread: int
    conflicts: list[FileConflict]


class ActiveSessions(Record):
    """The newest live sessions of a project, newest first, and the total number of its live sessions."""

    project: str
    sessions: list[ActiveSession]
    total: int


class Message(Record):
    """A stored message with type, sender, recipient, text and data; `seq` is unique on a bus and always rises."""

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
    reply_by: datetime | None


class MessageHit(Message):
    """A message found by a search: its fields, a line of its text, and a page cursor.

    In `line`, the words that were searched for are between `**`. `is_loose` if no message has all of the words, so that
    this one has only some of them.
    """

    line: str
    cursor: str
    is_loose: bool


class Receipt(Record):
    """The result of sending: the message is on disk, in `recipients` inboxes.

    `recipient_status` is the status of a single recipient; if it is `offline`, the message waits for it. `is_repeat`:
    the idempotency key was used before, and the receipt is about the first message. `held_back`: the reason why the
    message wakes nobody although messages of its kind do (M8). `forwarded_to`: the session that the addressed one goes
    on as, which has the message instead (S14).
    """

    message_id: str
    seq: int
    thread_id: str
    task_id: str | None
    recipients: int
    recipient_status: str | None
    is_repeat: bool
    held_back: str | None
    forwarded_to: str | None


class WakeUp(Record):
    """The messages to wake an idle session with. No messages: do not wake it now, ask again after `retry_after_s`."""

    session_id: str
    messages: list[Message]
    retry_after_s: float | None


class Delivery(Record):
    """The state of a message for one recipient: stored, injected (the recipient's client took it), acknowledged or
    expired, which is one that was never taken.

    `held_back`: the reason why a stored message does not wake its recipient though its kind would (M8), else None.
    `request_state`: how the request stands that the message is, else None.
    """

    message_id: str
    recipient: str
    state: str
    stored_at: datetime
    injected_at: datetime | None
    acknowledged_at: datetime | None
    held_back: str | None
    request_state: str | None


class Request(Record):
    """A request and how it stands: who waits for whose answer, since when, and until when.

    `state` is open, turn_ended (the recipient saw it and ended its turn without answering), overdue, recipient_gone,
    expired or answered. A reply closes it in every state, `answer_id` is the first one.
    """

    message_id: str
    seq: int
    from_session: str
    to_session: str
    project: str
    subject: str
    priority: str
    thread_id: str
    state: str
    state_since: datetime
    asked_at: datetime
    reply_by: datetime | None
    answer_id: str | None


class InboxSummary(Record):
    """The counts of a recipient's unacknowledged messages: all (`unread`), the `urgent` ones, and the oldest's time."""

    recipient: str
    unread: int
    urgent: int
    oldest_at: datetime


class Thread(Record):
    """A message and all replies to it, by `seq`. `in_reply_to` makes a tree; its root may have been pruned."""

    thread_id: str
    messages: list[Message]
    deliveries: list[Delivery]


class PingResult(Record):
    """The result of a ping: the state of the other session."""

    session_id: str
    name: str
    agent_name: str
    is_live: bool
    status: str
    current_task: str | None
    last_seen: datetime
    message_id: str


class Task(Record):
    """A piece of work that is offered, accepted by exactly one session, and then handed off or completed.

    `task_id` is the id of the message that offered it first. `offered_to` is the recipient of the current offer; if
    the task has an owner, the owner is handing it off to that recipient.
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


class Claim(Record):
    """A lease of a session on paths or resources, with its intent; a waiting one has its place in the queue.

    `number` is its place in the project's queue. `fence` rises with every grant in the project: who guards a resource
    accepts only the highest that it has seen. A granted claim ends at `expires_at`; a waiting one is given up then.
    """

    claim_id: str
    project: str
    session_id: str
    paths: list[str]
    mode: str
    intent: str
    task_id: str | None
    state: str
    number: int
    fence: int | None
    asked_at: datetime
    granted_at: datetime | None
    ttl_s: int
    expires_at: datetime


class EditCheck(Record):
    """Whether a session may edit paths: not those that other sessions hold exclusively, whose claims are in `claims`.

    `is_claimed`: whether other sessions hold any path of the project exclusively.
    """

    is_claimed: bool
    claims: list[Claim]


class Pruned(Record):
    """The numbers of removed records, by noun. If `is_complete` is false, more is old: prune again."""

    removed: dict[str, int]
    is_complete: bool


class AttentionItem(Record):
    """Something that needs a person: who it is about, what it is, since when, and what can be done.

    `session_id` is the session, live or gone, and None for a person or a group, which `name` then says. `what` is the
    question, the command, the message's subject or the first line of the answer, and empty if the session has not said.
    """

    item_id: str
    kind: str
    is_urgent: bool
    state: str
    state_since: datetime
    project: str
    session_id: str | None
    name: str
    client: str | None
    branch: str | None
    person: str | None
    what: str
    since: datetime
    message_id: str | None
    task_id: str | None
    terminal: Json
    actions: list[str]


class Attention(Record):
    """What needs a person, the most important first: a page of the list, and the numbers of the whole list."""

    items: list[AttentionItem]
    total: int
    by_kind: dict[str, int]
    version: str


class AttentionReply(Record):
    """The message that answers an item or reminds of it, and the item as it is now.

    `recipient_status` and `held_back` are those of the message's receipt.
    """

    item: AttentionItem
    message_id: str
    recipient_status: str | None
    held_back: str | None


class NotificationTurn(Record):
    """Whether a sender may send an item now; if not, whether it never will, or when to ask again."""

    may_send: bool
    is_settled: bool
    attempt: int
    key: str
    retry_in_s: float | None


class NotificationChannel(Record):
    """A way in which a person is told: how many notifications are in each state, and what went wrong last."""

    person: str
    channel: str
    by_state: dict[str, int]
    last_sent_at: datetime | None
    last_error: str | None
    last_error_at: datetime | None


class AnswerToken(Record):
    """A token with which one item can be answered once; it is shown this one time."""

    token: str
    item_id: str
    expires_at: datetime


class RefusedRecord(Record):
    """A record that an import did not add: its place in the batch, its kind, and the reason."""

    index: int
    record: str
    reason: str


class ImportedBatch(Record):
    """The result of a batch of an import: how many records were added and existed before, by kind; and the refused."""

    added: dict[str, int]
    existing: dict[str, int]
    refused: list[RefusedRecord]


class SessionStats(Record):
    """Counts of sessions; `by_…` count live and offline sessions together."""

    total: int
    live: int
    offline: int
    by_status: dict[str, int]
    by_type: dict[str, int]
    by_user: dict[str, int]


class EventStats(Record):
    """The number of stored events, and the `seq` of the last one."""

    total: int
    last_seq: int


class MessageStats(Record):
    """Counts of messages: their number, the bytes of their text and data, and the unread deliveries."""

    total: int
    size_bytes: int
    unread: int
    by_type: dict[str, int]


class TaskStats(Record):
    """Counts of tasks."""

    total: int
    by_status: dict[str, int]


class RequestStats(Record):
    """Counts of the requests that wait for an answer."""

    total: int
    by_state: dict[str, int]


class MemoryEntry(Record):
    """One version of a memory entry: any JSON value under a key, with its author; it expires at `expires_at`."""

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


class MemoryHit(MemoryEntry):
    """A memory entry in a list: its fields, a line of its value, and a page cursor.

    `has_value` is false if `value` was not asked for; `value` is null then.

    In `line`, the words that were searched for are between `**`. `is_loose` if no entry has all of the words, so that
    this one has only some of them.
    """

    has_value: bool
    line: str
    cursor: str
    is_loose: bool


class MemoryStats(Record):
    """Counts of memory entries by type; an entry counts once, however many versions it has."""

    total: int
    by_type: dict[str, int]


class FileTouch(Record):
    """The last write of a session to a file; `path` is absolute on the session's machine."""

    project: str
    path: str
    session_id: str
    at: datetime


class ProjectMove(Record):
    """The result of a move between two projects, or of taking one back: how many records of each noun were moved.

    `shared_keys` are memory keys that both projects have, so their entries stayed; at most 100 of `shared_total`.
    `tokens` are limited to projects without the one that has the records now.
    """

    old_project: str
    new_project: str
    is_undo: bool
    is_dry_run: bool
    moved: dict[str, int]
    shared_total: int
    shared_keys: list[str]
    tokens: list[str]


class Token(Record):
    """The rights of a token, and its last use; the token itself is not stored.

    `projects` null: all projects. The token is valid until `expires_at` or `revoked_at`.
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
    """A browser that is logged in to a hub's page with a token; the login ends when the token does, or earlier."""

    login_id: str
    name: str
    host: str
    browser: str | None
    began_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    last_used_from: str | None


class NewToken(Record):
    """A token that was just created; `token` is shown only this once."""

    name: str
    role: str
    projects: list[str] | None
    expires_at: datetime | None
    token: str


class Identity(Record):
    """The identity of a caller: the name of its token, null for the owner of the bus."""

    name: str | None
    role: str
    projects: list[str] | None


class Stats(Record):
    """The counts of a bus, by noun."""

    sessions: SessionStats
    messages: MessageStats
    tasks: TaskStats
    memory: MemoryStats
    events: EventStats


class Event(Record):
    """One event of the append-only event log; `seq` is unique and always rises."""

    seq: int
    at: datetime
    kind: str
    project: str
    session_id: str | None
    data: dict[str, Json]
