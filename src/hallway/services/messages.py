"""Messages between sessions: send, inbox, acknowledge, threads.

A message is one row, plus one row for each recipient; all of them are on disk before the sender gets its receipt (M1).
An unacknowledged message stays in the recipient's inbox, even if a process dies. The recipients are decided when a
message is sent: a session that registers later finds a broadcast in the history, but not in its inbox (M2).
"""

from __future__ import annotations

from _collections_abc import Callable  # which is there without importing `collections`

from hallway.core.clock import SECOND, new_id, to_datetime
from hallway.core.errors import (
    DuplicateMessage,
    HallwayError,
    InvalidInput,
    MessageNotFound,
    NoAnswer,
    RateLimited,
    SessionNotFound,
)
from hallway.core.model import (
    BRANCH,
    CAPABILITY,
    CLIENT_TYPE,
    EVERYBODY,
    PERSON,
    Claim,
    Delivery,
    InboxSummary,
    Json,
    Message,
    MessageHit,
    MessageStats,
    PingResult,
    Pruned,
    Receipt,
    Task,
    Thread,
    is_session,
)
from hallway.core.near_names import did_you_mean, near_matches
from hallway.core.operation import operation
from hallway.core.parameters import MESSAGE_TYPE
from hallway.core.schema import encode
from hallway.core.topics import topic
from hallway.services.base import Service, require_callable, whole_number_setting
from hallway.services.message_rows import delivery_of, stored_message
from hallway.services.reply_wait import await_reply, deadline_of, persist, state_of, still_possible
from hallway.services.rows import record_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from hallway.core.context import Closable, Context
    from hallway.core.model import Event
    from hallway.services.sessions import SessionRegistry
    from hallway.store import Row
else:
    Closable = object  # what an annotation means at run time; its own module imports `typing`

MessageHandler = Callable[[Message], object]
BURST = 1000  # messages that one party may send another at once (M8); HALLWAY_MESSAGE_BURST, 0: any number
MAX_SUCCESSIONS = 20  # how far a message follows a session from id to id
CORRESPONDED_S = 24 * 3600  # for how long those who talked with a session are told that it goes on
REFILL_S = 1  # and how long it takes until it may send one more
REPEAT_S = 60  # within which saying the same again is refused
DIGESTS = 2**63 - 25  # a prime: a column's worth of different digests, and no module to import for them
LOOK_BACK = 50_000  # messages among which one sender's are looked for
STATES_SHOWN = 1000  # deliveries that a thread tells with its messages
CONTENT = ("from_session", "to_session", "type", "subject", "body", "data", "in_reply_to")  # a message's content
GROUP_WORDS = {CAPABILITY: "has the capability", CLIENT_TYPE: "runs in", BRANCH: "is on the branch"}
TASK_TYPES = ("task_offer", "task_accept", "handoff")


def is_person(party: str) -> bool:
    return party.startswith(PERSON)


class CollaborationHub(Service, noun="messages"):
    """Messages between sessions: send, inbox, threads."""

    def __init__(self, bus: Context | Service | str | PathLike[str] | None = None) -> None:
        super().__init__(bus)
        self.burst = whole_number_setting("HALLWAY_MESSAGE_BURST", BURST)

    @property
    def registry(self) -> SessionRegistry:
        """Return the sessions of the same bus."""
        registry: SessionRegistry = self.bus.sessions
        return registry

    # -- sending ------------------------------------------------------------------------------------------------------

    @operation("POST /messages", verb="send", words=("from_session", "to_session", "subject", "body"))
    def send(
        self,
        from_session: str,
        to_session: str,
        type: str = "notification",  # noqa: A002 (the field's name everywhere)
        subject: str = "",
        body: str = "",
        data: dict[str, Json] | None = None,
        in_reply_to: str | None = None,
        *,
        priority: str = "normal",
        expires_in_s: int | None = None,
        reply_within_s: int | None = None,
        idempotency_key: str | None = None,
        project: str | None = None,
        allow_secret: bool = False,
    ) -> Receipt:
        """Send a message to a session, a person (user:NAME), or many: capability:NAME, type:CLIENT, branch:NAME or *.

        The message is on disk when this returns. An offline recipient finds it when it resumes (see
        `recipient_status`). `capability:NAME`, `type:CLIENT` and `branch:NAME` reach every other live session of the
        project that has the capability, runs in the client or is on the branch; `*` reaches all of them. A
        task_offer creates a task, a task_accept in reply to it accepts the task, a handoff hands it over. A request is
        to be answered within `reply_within_s` seconds (600; 0: no deadline): if it is not, or its recipient ends or
        stops working first, the sender gets a notification. The project is the sender's; a person may name one. Using
        the same idempotency key again sends nothing and returns the first message. Raises SessionNotFound for an
        unknown party, DuplicateMessage for content that was sent less than a minute ago, RateLimited for too many
        messages, and SecretFound for texts that look like a key or a token, unless that is allowed.
        """
        parent = self.bus.requests.original(self.require(in_reply_to)) if in_reply_to is not None else None
        return self._send(
            idempotency_key,
            from_session,
            to_session,
            type,
            subject,
            body,
            data,
            parent,
            priority=priority,
            expires_in_s=expires_in_s,
            reply_within_s=reply_within_s,
            project=project,
        )

    @operation("POST /messages/broadcast", verb="broadcast", words=("from_session", "subject", "body"))
    def broadcast(
        self,
        from_session: str,
        subject: str = "",
        body: str = "",
        data: dict[str, Json] | None = None,
        *,
        priority: str = "normal",
        expires_in_s: int | None = None,
        idempotency_key: str | None = None,
        project: str | None = None,
        allow_secret: bool = False,
    ) -> Receipt:
        """Send a message to every live session of the project, except the sender.

        A session that registers later finds the message in `get_messages`, but not in its inbox.
        """
        return self._send(
            idempotency_key,
            from_session,
            EVERYBODY,
            "broadcast",
            subject,
            body,
            data,
            priority=priority,
            expires_in_s=expires_in_s,
            project=project,
        )

    @operation("POST /messages/{to_message}/reply", verb="reply")
    def reply(
        self,
        from_session: str,
        to_message: str,
        body: str,
        data: dict[str, Json] | None = None,
        *,
        type: str = "response",  # noqa: A002
        subject: str = "",
        priority: str = "normal",
        keep: bool = False,
        idempotency_key: str | None = None,
        allow_secret: bool = False,
    ) -> Receipt:
        """Answer a message, in its thread, and acknowledge it.

        It goes to the sender of that message; a reply to one's own message goes to its recipient, and one to a reminder
        of a request answers the request. With `keep` the answered message stays in the inbox. Raises MessageNotFound
        if the message was pruned. In Python, `to_message` may be the message itself.
        """
        parent = self.bus.requests.original(self.require(to_message))
        to_session = parent.to_session if parent.from_session == from_session else parent.from_session
        subject = subject or f"Re: {parent.subject.removeprefix('Re: ')}"[:200]
        receipt = self._send(
            idempotency_key,
            from_session,
            to_session,
            type,
            subject,
            body,
            data,
            parent,
            priority=priority,
        )
        if not keep:
            self._mark("acknowledge", "message.acknowledged", from_session, [parent.message_id, to_message])
        return receipt

    @operation("POST /messages/ping")
    def ping_session(self, from_session: str, to_session: str) -> PingResult:
        """Return the status of another session at once, and leave a ping in its inbox.

        A second ping within a minute returns the status, too, but leaves no second message.
        """
        target = self.bus.sessions.require(to_session)
        draft = self._draft(from_session, to_session, "ping", "ping", "")
        same = self._same(draft)
        self._address(draft)
        message_id = same[0] if same else self._deliver(draft).message_id
        return PingResult.of(
            (
                target.session_id,
                target.name,
                target.agent_name,
                target.is_live,
                target.status,
                target.current_task,
                target.last_seen,
                message_id,
            )
        )

    def request(
        self,
        from_session: str,
        to_session: str,
        subject: str = "",
        body: str = "",
        data: dict[str, Json] | None = None,
        *,
        timeout_s: float | None = 60.0,
        reply_within_s: int | None = None,
        priority: str = "normal",
        allow_secret: bool = False,
        idempotency_key: str | None = None,
    ) -> Message:
        """Send a request and wait for the reply to it, which is acknowledged and returned.

        A reply is whatever its recipient sends with `in_reply_to`, of any type, acknowledged by a handler or not. If
        the hub or the database goes away meanwhile, it tries again until the time is up; None waits for ever. Raises
        NoAnswer when the time is up (the error's `cause` is `timeout`), and earlier when the recipient is gone
        (`recipient_gone`), has ended its turn without answering (`turn_ended`), or the request has expired
        (`expired`). The request stays sent, and `wait_reply` goes on waiting. Every error has the request's
        `message_id` among its details, which is None if nothing is known to have been sent, and the
        `idempotency_key`: with that the same request can be made again, and is sent only once.
        """
        deadline = deadline_of(timeout_s)
        details: dict[str, Any] = {"message_id": None, "idempotency_key": idempotency_key or new_id()}

        def send() -> Receipt:
            return self.send(
                from_session,
                to_session,
                "request",
                subject,
                body,
                data,
                priority=priority,
                reply_within_s=reply_within_s,
                allow_secret=allow_secret,
                idempotency_key=details["idempotency_key"],
            )

        try:
            sent = persist(self.bus, send, deadline)
            details["message_id"] = sent.message_id
            state = state_of(self.bus, from_session, sent.message_id, deadline) if sent.is_repeat else "open"
            if reply := await_reply(self.bus, from_session, sent.message_id, deadline, state):
                return reply
        except HallwayError as error:
            error.details = {**details, **error.details}
            raise
        raise NoAnswer(
            f"{to_session} has not answered within {timeout_s:g} s (it is {sent.recipient_status or 'addressed'})",
            hint=still_possible(sent.message_id),
            cause="timeout",
            **details,
        )

    def wait_reply(self, message_id: str, *, timeout_s: float | None = 60.0) -> Message:
        """Wait for the reply to a message that was sent before; it is acknowledged and returned.

        It goes on where `request` ended, also in another process: a reply that came meanwhile is returned at once. None
        waits for ever. Raises MessageNotFound for an unknown message, and NoAnswer when the time is up or the recipient
        is gone or ends its turn from now on, as `request` does; every error has the `message_id` among its details.
        """
        deadline = deadline_of(timeout_s)
        try:
            message = persist(self.bus, lambda: self.get(message_id), deadline)
            if message is None:  # what an unknown id is where the service was opened on its own
                raise _no_message(message_id)
            state = state_of(self.bus, message.from_session, message_id, deadline)
            if reply := await_reply(self.bus, message.from_session, message_id, deadline, state):
                return reply
        except HallwayError as error:
            error.details = {"message_id": message_id, **error.details}
            raise
        raise NoAnswer(
            f"{message.to_session} has not answered within {timeout_s:g} s",
            hint=still_possible(message_id),
            cause="timeout",
            message_id=message_id,
        )

    # -- receiving ----------------------------------------------------------------------------------------------------

    @operation("GET /sessions/{session_id}/inbox", verb="inbox", waits_for="session_id")
    def inbox(
        self,
        session_id: str,
        wait_s: float = 0,
        types: list[str] | None = None,
        limit: int = 50,
        *,
        after: int = 0,
        new_only: bool = False,
    ) -> list[Message]:
        """Return a session's or person's unacknowledged messages, oldest first.

        Reading changes nothing: a message stays until it is acknowledged or expires. With `wait_s` the call waits for a
        message. For the next page pass the last `seq` of this page. Raises SessionNotFound for an unknown id.
        """
        rows = self._store.rows(
            "messages.inbox",
            now=self._store.now,
            session_id=session_id,
            after=after,
            limit=limit,
            new_only=new_only,
            types=encode(types) if types else None,
        )
        if not rows:
            self._require_inbox(session_id)
        return [record_of(Message, row) for row in rows]

    @operation("GET /sessions/{session_id}/replies/{message_id}", verb="replies", waits_for="session_id")
    def replies(self, session_id: str, message_id: str, wait_s: float = 0, *, limit: int = 50) -> list[Message]:
        """Return what a session or person received in reply to a message, oldest first.

        Replies of any type count, also those that are acknowledged or have expired. With `wait_s` it waits for one to
        arrive. Raises MessageNotFound for an unknown message, SessionNotFound for an unknown id.
        """
        rows = self._store.rows("messages.replies", session_id=session_id, message_id=message_id, limit=limit)
        if not rows:
            self._require_inbox(session_id)
            self.require(message_id)
        return [record_of(Message, row) for row in rows]

    @operation("POST /sessions/{session_id}/inbox/ack", verb="ack")
    def acknowledge(self, session_id: str, message_ids: list[str]) -> int:
        """Remove messages from the inbox permanently, because they were read and handled.

        Returns how many were in the inbox; the others were acknowledged before or never there.
        """
        return self._mark("acknowledge", "message.acknowledged", session_id, message_ids)

    @operation("POST /sessions/{session_id}/inbox/injected")
    def mark_injected(self, session_id: str, message_ids: list[str]) -> int:
        """Record that a session's client shows messages to the agent; return how many of them were new."""
        return self._mark("inject", "message.injected", session_id, message_ids)

    @operation("GET /messages", verb="messages")
    def get_messages(
        self,
        session_id: str,
        include_broadcasts: bool = True,
        message_type: str | None = None,
        unread_only: bool = False,
        *,
        after: int | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Message]:
        """Return the messages that a session or person received, acknowledged or not, ordered by `seq`.

        The history includes broadcasts to its project from before it registered. It is the last `limit` messages, or
        the last ones before a seq, or the first ones after a seq: a reader that continues after its last seq misses
        none. Raises SessionNotFound for an unknown id.
        """
        if after is not None and before is not None:
            raise InvalidInput(
                "messages are read after a seq or before one, not both", hint="Leave out after or before"
            )
        statement = "messages.received_last" if after is None else "messages.received_after"
        rows = self._store.rows(
            statement,
            session_id=session_id,
            after=after,
            before=before,
            limit=limit,
            include_broadcasts=include_broadcasts,
            message_type=message_type,
            unread_only=unread_only,
            project=self._project_of(session_id),
            visible=None if self._is_own(session_id) else self.bus.visible,
        )
        if not rows and is_session(session_id):
            self.bus.sessions.require(session_id)  # of a session that the caller does not see: the same error
        return [record_of(Message, row) for row in (reversed(rows) if after is None else rows)]

    @operation("GET /messages/sent", is_of_all=True)
    def sent(
        self,
        from_session: str | None = None,
        *,
        project: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Message]:
        """Return sent messages, newest first: of one session or person, of a project, or of the whole bus.

        For the next page pass the last `seq` of this page. One sender's messages are searched among the newest 50,000
        messages of the bus.
        """
        rows = self._store.rows(
            "messages.sent",
            from_session=from_session,
            project=project,
            before=before,
            limit=limit,
            look_back=LOOK_BACK,
            visible=self.bus.visible,
        )
        return [record_of(Message, row) for row in rows]

    @operation("GET /messages/search", verb="search", is_of_all=True, refresh="index_new")
    def search(
        self,
        query: str,
        *,
        project: str | None = None,
        from_session: str | None = None,
        limit: int = 20,
        cursor: str | None = None,
    ) -> list[MessageHit]:
        """Find messages by the words of their subject and text; the best match is first, with the words marked.

        Messages with all of the words; if there are none, with other forms of them (longer words, plurals, parts of
        identifiers); if there are none, with any word, marked `is_loose`. Of more than 500 matches only the newest 500
        are ranked. Messages of all projects that the caller may see, or of one; of all senders, or of one. For the next
        page pass the last `cursor` of this page; an empty page is the end. A page ends early when its texts reach
        1 MiB. Over HTTP, `GET /messages?q=WORDS` is the same.
        """
        whose = {
            "project": project,
            "from_session": from_session,
            "visible": self.bus.visible,
            "person": self.bus.person,
        }
        from hallway.services import message_search

        return message_search.find(self.bus, query, whose, limit, cursor)

    @operation("GET /inboxes", is_of_all=True)
    def inboxes(
        self, project: str | None = None, *, session_id: str | None = None, limit: int = 1000
    ) -> list[InboxSummary]:
        """Return the inboxes with unacknowledged messages and their counts; urgent ones first, then the fullest.

        All inboxes, or that of one session or person. Without a project, messages of all projects count.
        """
        rows = self._store.rows(
            "messages.inboxes",
            now=self._store.now,
            project=project,
            session_id=session_id,
            limit=limit,
            visible=self.bus.visible,
        )
        return [
            InboxSummary.of((recipient, unread, urgent, to_datetime(oldest)))
            for recipient, unread, urgent, oldest in rows
        ]

    @operation("GET /messages/{message_id}", unknown=None)
    def get(self, message_id: str) -> Message:
        """Return one message; raises MessageNotFound.

        A service opened without a bus, as `CollaborationHub(registry)`, returns None for an unknown id.
        """
        return self.require(message_id)

    @operation("GET /messages/{message_id}/thread", verb="thread")
    def get_conversation(self, message_id: str, *, after: int = 0, limit: int = 200) -> Thread:
        """Return the whole thread of a message, in order, with the delivery states of its messages.

        A pruned message is missing, but its replies are included. Only the first 1000 deliveries are included;
        `deliveries` returns all of a message.
        """
        row = self._store.one("messages.get", message_id=message_id)
        row = row if row and self._is_seen(record_of(Message, row)) else None
        thread_id = row[11] if row else message_id  # the first message of a thread may have been pruned
        rows = self._store.rows(
            "messages.thread",
            thread_id=thread_id,
            after=after,
            limit=limit,
            visible=self.bus.visible,
            person=self.bus.person,
        )
        if not rows and not row:
            raise _no_message(message_id)
        messages = [record_of(Message, each) for each in rows]
        states = self._store.rows(
            "messages.deliveries_in_thread", seqs=encode([each.seq for each in messages]), limit=STATES_SHOWN
        )
        by_id = {each.message_id: each for each in messages}
        return Thread.of((thread_id, messages, [self._delivery(each, by_id[each[0]]) for each in states]))

    @operation("GET /messages/{message_id}/deliveries", verb="deliveries")
    def deliveries(self, message_id: str, *, after_id: str | None = None, limit: int = 200) -> list[Delivery]:
        """Return a message's delivery state for each recipient: stored, injected, acknowledged, expired (M3, M10).

        For a request, each also has how that stands: open, answered, overdue …
        """
        message = self.require(message_id)
        rows = self._store.rows("messages.deliveries", message_id=message_id, after_id=after_id or "", limit=limit)
        return [self._delivery(row, message) for row in rows]

    def register_handler(self, message_type: str, handler: MessageHandler, session_id: str | None = None) -> Closable:
        """Call a function, in a thread of its own, with each message of a type (`*`: of every type).

        With a session, the handler gets the messages in that session's inbox. A message is acknowledged when the
        handler returns, and stays in the inbox if the handler fails. Without a session, it gets every message sent on
        the bus from now on. An error in the handler is logged and the next message is handled. `close()` of the result,
        or of the bus, ends it. Raises InvalidInput for an unknown type or a handler that cannot be called.
        """
        types = None if message_type == "*" else [MESSAGE_TYPE.check("message_type", message_type)]
        require_callable(handler)
        if session_id is not None:
            return self.bus.on_message(self._id_of(session_id), types, handler)

        def handle(event: Event) -> None:
            if types is None or event.data["type"] in types:
                handler(self.get(event.data["message_id"]))

        return self.bus.on_event("message.sent", handle)

    def _id_of(self, reference: str) -> str:
        """Return the id of the session that a reference means; the id stays the same when the session is renamed."""
        try:
            return self.bus.sessions.get(reference).session_id if is_session(reference) else reference
        except SessionNotFound:
            return reference  # a pruned session may have messages; for an unknown one the first read raises

    def prune(self, older_than_s: int | None = None, keep_bytes: int | None = None) -> Pruned:
        """Remove old data from the whole bus: see `Bus.prune`."""
        return self.bus.prune(older_than_s, keep_bytes)

    def get_stats(self, project: str | None = None) -> MessageStats:
        """Return the number of messages, in total and by type."""
        return self.bus.stats(project).messages

    def index_new(self) -> None:
        """Index what was sent since the last search."""
        from hallway.services import message_search

        message_search.index_new(self.bus)

    # -- called by the bus and by other services, inside a transaction ------------------------------------------------

    def stats(self, project: str | None = None) -> MessageStats:
        seen = {"project": project, "visible": self.bus.visible}
        rows = self._store.rows("messages.totals", **seen)
        unread = self._store.one("messages.unread_in_all", now=self._store.now, **seen)
        total, size_bytes = sum(row[1] for row in rows), sum(row[2] for row in rows)
        return MessageStats.of((total, size_bytes, unread[0] if unread else 0, {row[0]: row[1] for row in rows}))

    def require(self, message_id: str) -> Message:
        """Return a message that the caller may see; else raise MessageNotFound."""
        row = self._store.one("messages.get", message_id=message_id)
        message = record_of(Message, row) if row else None
        if message is None or not self._is_seen(message):
            raise _no_message(message_id)
        return message

    def has(self, message_id: str) -> bool:
        """Return whether a message still exists."""
        return self._store.one("messages.get", message_id=message_id) is not None

    def require_party(self, party: str) -> None:
        """Raise SessionNotFound for an unknown session; a person need not be registered."""
        if not is_person(party):
            self.bus.sessions.require(party)

    def notify_task_change(self, task: Task, from_session: str, to_session: str, type: str, body: str = "") -> None:  # noqa: A002
        """Send a message about a task's change in its thread; no limits apply, and it may have no recipient."""
        if from_session == to_session:
            return
        self._store.read_ahead(
            ("messages.has_inbox", {"session_id": to_session}), ("messages.get", {"message_id": task.task_id})
        )
        if not self._is_reachable(to_session):
            return
        row = self._store.one("messages.get", message_id=task.task_id)
        parent = record_of(Message, row) if row else None
        draft = self._draft(
            from_session,
            to_session,
            type,
            task.subject,
            body,
            {"task_id": task.task_id, "status": task.status},
            parent,
            project=task.project,
        )
        self._deliver({**draft, "task_id": task.task_id, "thread_id": parent.thread_id if parent else task.task_id})

    def notify_of_request(
        self,
        from_session: str,
        to_session: str,
        text: str,
        about: dict[str, Json],
        cause: str,
        priority: str = "normal",
    ) -> None:
        """Send a notice about what became of a request, in its thread but not as a reply to it; no limits apply."""
        if self._is_reachable(to_session):
            data = {"request_id": about["message_id"], "cause": cause}
            draft = self._draft(
                from_session,
                to_session,
                "notification",
                text[:200],
                about["subject"],
                data,
                priority=priority,
                project=about["project"],
            )
            self._deliver({**draft, "thread_id": about["thread_id"]})

    def notify_of_claim(self, from_session: str, claim: Claim) -> None:
        """Tell a session that a claim for which it waited is granted; the sender is the session that held the paths."""
        if self._is_reachable(claim.session_id):
            until = f"until {claim.expires_at:%H:%M} UTC"
            text = f"Yours {until}, as you asked: {', '.join(claim.paths)}"
            data = {"claim_id": claim.claim_id, "paths": list(claim.paths)}
            self._deliver(
                self._draft(
                    from_session,
                    claim.session_id,
                    "notification",
                    text if len(text) <= 200 else f"Your claim of {len(claim.paths)} paths is granted {until}",
                    claim.intent,
                    data,
                    project=claim.project,
                )
            )

    def succeed(self, session_id: str, continues: str) -> int:
        """Give a session what its predecessor has not acknowledged; returns how many messages moved (S14)."""
        moved = len(self._store.rows("messages.move", session_id=session_id, continues=continues))
        if moved:
            self.bus.changed_topics.add(topic(self.noun, session_id))
            self.bus.due_sessions.add(session_id)
        return moved

    def tell_of_successor(self, session_id: str, continues: str, project: str) -> None:
        """Tell the live sessions that talked with a session lately under which id it goes on (S14)."""
        since, now = self._store.now - CORRESPONDED_S * SECOND, self._store.now
        parties = {"session_id": session_id, "continues": continues}
        for (other,) in self._store.rows("messages.correspondents", since=since, now=now, **parties):
            subject = f"{continues} goes on as {session_id}"
            text = f"{subject}: write to that one from now on. What you send to {continues} reaches it."
            self._deliver(
                self._draft(session_id, other, "sync", subject, text, parties, priority="low", project=project)
            )

    def prune_old(self, before: int, limit: int) -> int:
        now = self._store.now
        expired = len(self._store.rows("messages.prune_expired", now=now, limit=limit))
        self._store.rows("messages.prune_pairs", now=now)
        rows = self._store.rows(
            "messages.prune_old", now=now, last=self._last_before(before), before=before, limit=limit - expired
        )
        return expired + len(rows)

    def prune_to(self, keep_bytes: int, limit: int) -> int:
        """Remove the oldest messages until the others have at most `keep_bytes` bytes (M7)."""
        excess = sum(row[2] for row in self._store.rows("messages.totals", project=None, visible=None)) - keep_bytes
        if excess <= 0:
            return 0
        return len(self._store.rows("messages.prune_size", now=self._store.now, excess=excess, limit=limit))

    def _last_before(self, instant: int) -> int:
        """Return the seq of the last message sent before a time, by bisection: seq and time mostly rise together."""
        row = self._store.one("messages.last_seq")
        low, high = 0, int(row[0]) if row else 0
        while low < high:
            middle = (low + high + 1) // 2
            first_after = self._store.one("messages.from", seq=middle)
            if first_after is not None and first_after[1] <= instant:
                low = first_after[0]
            else:
                high = middle - 1
        return low

    # -- storing a message --------------------------------------------------------------------------------------------

    def _delivery(self, row: Row, message: Message) -> Delivery:
        """Return a delivery; a direct message that is still new carries the reason why it wakes nobody."""
        recipient, *reached_at = row[1], *row[3:6]
        is_new = message.to_session == recipient and not is_person(recipient) and not any(reached_at)
        held_back = self.bus.wakes.held_back(message, recipient) if is_new else None
        return delivery_of(row, held_back, self._store.now)

    def _send(self, idempotency_key: str | None, *parts: Any, **options: Any) -> Receipt:
        """Send a message and return its receipt; `said` and `options` are those of `_draft`."""
        from_session = parts[0]
        first = idempotency_key and self._first(from_session, idempotency_key)
        if first:
            return first
        draft = self._draft(*parts, **options)
        draft["idempotency_key"] = idempotency_key
        self._read_ahead(draft)
        forwarded_to = self._forward(draft)
        recipient_status = self._address(draft)
        self._refuse_loops(draft)
        receipt = self._deliver(draft, recipient_status).replace(forwarded_to=forwarded_to)
        if not receipt.recipients and draft["to_session"] != EVERYBODY:
            raise self._nobody_can(draft)
        if draft["type"] in TASK_TYPES:
            self.bus.tasks.apply_message(self.require(receipt.message_id))
        if recipient_status in (None, "offline"):
            return receipt
        held_back = self.bus.wakes.held_back(stored_message(draft, receipt.seq, self._store.now), draft["to_session"])
        return receipt.replace(held_back=held_back)

    def _read_ahead(self, draft: dict[str, Any]) -> None:
        """Read what sending an ordinary message needs to know in one round trip."""
        now, from_session, to_session = self._store.now, draft["from_session"], draft["to_session"]
        parties = {"from_session": from_session, "to_session": to_session}
        self._store.read_ahead(
            ("sessions.continued_by", {"session_id": to_session}),
            ("messages.parties", {**parties, "now": now, "visible": self.bus.visible}),
            ("messages.like", {"digest": draft["digest"], "since": now - REPEAT_S * SECOND}),
        )

    def _draft(
        self,
        from_session: str,
        to_session: str,
        type: str,  # noqa: A002
        subject: str,
        body: str,
        data: dict[str, Json] | None = None,
        parent: Message | None = None,
        *,
        priority: str = "normal",
        expires_in_s: int | None = None,
        reply_within_s: int | None = None,
        project: str | None = None,
    ) -> dict[str, Any]:
        """Return a message's columns, before its recipients are known."""
        message_id, subject, text = new_id(), subject or _first_line(body), encode(data) if data else "{}"
        in_reply_to = parent.message_id if parent else None
        content = f"{from_session}\n{to_session}\n{type}\n{subject}\n{in_reply_to}\n{text}\n{body}"
        draft = {
            "message_id": message_id,
            "type": type,
            "from_session": from_session,
            "to_session": to_session,
            "subject": subject,
            "body": body,
            "data": text,
            "in_reply_to": in_reply_to,
            "priority": priority,
            "thread_id": parent.thread_id if parent else message_id,
            "project": parent.project if project is None and parent and is_person(from_session) else project,
            "task_id": _task_of(type, message_id, parent.task_id if parent else None, data),
            "expires_at": None if expires_in_s is None else self._store.now + expires_in_s * SECOND,
            "idempotency_key": None,
            "digest": int.from_bytes(content.encode(), "big") % DIGESTS,
        }
        return {**draft, "reply_by": self.bus.requests.deadline(draft, reply_within_s)}

    def _forward(self, draft: dict[str, Any]) -> str | None:
        """Return the session that a message's recipient goes on as, which gets it instead; None where it does not."""
        successor = None
        for _ in range(MAX_SUCCESSIONS):
            row = self._store.one("sessions.continued_by", session_id=draft["to_session"])
            if row is None or row[0] is None or row[0] == draft["from_session"]:
                break
            draft["to_session"] = successor = row[0]
        return successor

    def _address(self, draft: dict[str, Any]) -> str | None:
        """Check sender and recipient, and set the project; return the status of a recipient that is a session."""
        from_session, to_session = draft["from_session"], draft["to_session"]
        rows = self._store.rows(
            "messages.parties",
            now=self._store.now,
            from_session=from_session,
            to_session=to_session,
            visible=None if self._is_answer(draft) else self.bus.visible,
        )
        parties = {session_id: (project, status) for session_id, project, status in rows}
        for party in (from_session, to_session):
            if party not in parties and is_session(party):
                self.bus.sessions.require(party)  # raises SessionNotFound with similar ids
        if draft["project"] is None:
            speaker = parties.get(from_session) or parties.get(to_session)
            draft["project"] = speaker[0] if speaker else self.bus.project_for(None)
        return parties[to_session][1] if to_session in parties else None

    def _deliver(self, draft: dict[str, Any], recipient_status: str | None = None) -> Receipt:
        """Store a message and a delivery for each recipient, and wake the processes that wait for it."""
        row = self._store.one("messages.insert", now=self._store.now, **draft)
        seq = int(row[0]) if row else 0
        recipients = self._store_for(seq, draft)
        self.bus.events.append(
            "message.sent",
            draft["project"],
            draft["from_session"],
            message_id=draft["message_id"],
            type=draft["type"],
            to_session=draft["to_session"],
            subject=draft["subject"],
            recipients=len(recipients),
        )
        self.bus.changed_topics.update(topic(self.noun, recipient) for recipient in recipients)
        self.bus.due_sessions.update(recipients)
        self.bus.wakes.sent(draft)
        self.bus.requests.sent(draft, seq)
        return Receipt.of(
            (
                draft["message_id"],
                seq,
                draft["thread_id"],
                draft["task_id"],
                len(recipients),
                recipient_status,
                False,
                None,
                None,
            )
        )

    def _store_for(self, seq: int, draft: dict[str, Any]) -> list[str]:
        to_session, expires_at = draft["to_session"], draft["expires_at"]
        if is_session(to_session) or is_person(to_session):
            self._store.change("messages.deliver", recipient=to_session, seq=seq, expires_at=expires_at)
            return [to_session]
        rows = self._store.rows(
            "messages.deliver_to_all",
            now=self._store.now,
            seq=seq,
            expires_at=expires_at,
            capability=_of_group(to_session, CAPABILITY),
            agent_type=_of_group(to_session, CLIENT_TYPE),
            branch=_of_group(to_session, BRANCH),
            project=draft["project"],
            from_session=draft["from_session"],
        )
        return [row[0] for row in rows]

    def _nobody_can(self, draft: dict[str, Any]) -> SessionNotFound:
        to_session, project = draft["to_session"], draft["project"]
        group = to_session[: to_session.index(":") + 1]
        groups = [str(each) for (each,) in self._store.rows("messages.groups", project=project, now=self._store.now)]
        wanted = to_session.removeprefix(group)
        near = near_matches(wanted, [each.removeprefix(group) for each in groups if each.startswith(group)])
        return SessionNotFound(
            f"no other live session of {project} {GROUP_WORDS[group]} {wanted!r}",
            hint=did_you_mean(near) or "Send it to a session, or to everybody (*)",
            near=near,
        )

    def _first(self, from_session: str, idempotency_key: str) -> Receipt | None:
        """Return the message that a sender has sent with an idempotency key, or None."""
        row = self._store.one("messages.first", from_session=from_session, idempotency_key=idempotency_key)
        if row is None:
            return None
        message_id, seq, thread_id, task_id, to_session = row
        count = self._store.one("messages.count_deliveries", seq=seq)
        rows = self._store.rows(
            "messages.parties", now=self._store.now, from_session=None, to_session=to_session, visible=self.bus.visible
        )
        status = rows[0][2] if rows else None
        return Receipt.of((message_id, seq, thread_id, task_id, count[0] if count else 0, status, True, None, None))

    # -- limits (M8) --------------------------------------------------------------------------------------------------

    def _refuse_loops(self, draft: dict[str, Any]) -> None:
        same = self._same(draft)
        if same:
            ago_s = (self._store.now - same[1]) / SECOND
            raise DuplicateMessage(
                f"{draft['from_session']} said exactly this to {draft['to_session']} {ago_s:.0f} s ago;"
                f" the same is taken once in {REPEAT_S} s",
                message_id=same[0],
            )
        burst = self.burst
        pair = {"from_session": draft["from_session"], "to_session": draft["to_session"]}
        now = self._store.now
        if not burst or self._store.rows(
            "messages.take_quota", now=now, burst=burst, interval=REFILL_S * SECOND, **pair
        ):
            return
        used = self._store.one("messages.quota_until", **pair)
        wait_s = ((used[0] if used else now) - now) / SECOND + REFILL_S - burst * REFILL_S
        raise RateLimited(
            f"{draft['from_session']} has sent {draft['to_session']} {burst} messages at once, which is the most;"
            f" one more may go every {REFILL_S} s",
            retry_after_s=round(max(wait_s, 0.001), 3),
        )

    def _same(self, draft: dict[str, Any]) -> Row | None:
        """Return the id and time of a message of the last minute with the same content, or None."""
        now = self._store.now
        rows = self._store.rows("messages.like", digest=draft["digest"], since=now - REPEAT_S * SECOND)
        content = tuple(draft[name] for name in CONTENT)
        return next(
            ((message_id, at) for message_id, at, *other in rows if at <= now and tuple(other) == content), None
        )

    # -- small parts --------------------------------------------------------------------------------------------------

    def _mark(self, statement: str, kind: str, session_id: str, message_ids: list[str]) -> int:
        rows = self._store.rows(
            f"messages.{statement}", now=self._store.now, session_id=session_id, message_ids=encode(message_ids)
        )
        if not rows:
            self._require_inbox(session_id)
        by_project: dict[str, list[str]] = {}
        for message_id, project in rows:
            by_project.setdefault(project, []).append(message_id)
        for project, ids in by_project.items():
            self.bus.events.append(kind, project, session_id, message_ids=ids)
        return len(rows)

    def _require_inbox(self, session_id: str) -> None:
        """Raise SessionNotFound for an id that was never on the bus: a wait for its messages would never end."""
        row = self._store.one("sessions.owner", session_id=session_id)
        if not (row is not None and self.bus.sees(row[1])) and not self._is_reachable(session_id):
            self.bus.sessions.require(session_id)

    def _is_reachable(self, to_session: str) -> bool:
        return not is_session(to_session) or bool(self._store.one("messages.has_inbox", session_id=to_session))

    def _is_own(self, party: str) -> bool:
        """Return whether the caller may act as a party."""
        who = self.bus.principal
        if who is None or party == who.person:
            return True
        row = self._store.one("sessions.owner", session_id=party)
        return row is not None and row[0] == who.name

    def _is_seen(self, message: Message) -> bool:
        return self.is_visible(message.project, message.from_session, message.to_session)

    def is_visible(self, project: str, *parties: str | None) -> bool:
        """Return whether the caller may see a message or task: it may see the project, or one of the parties."""
        visible = self.bus.visible
        if visible is None or self.bus.sees(project) or self.bus.person in parties:
            return True
        return self._store.one("messages.has_seen_party", parties=encode(parties), visible=visible) is not None

    def _is_answer(self, draft: dict[str, Any]) -> bool:
        """Return whether a message is sent to the author of its parent; such a reply may cross project limits."""
        if self.bus.visible is None or draft["in_reply_to"] is None:
            return False
        parent = self.require(draft["in_reply_to"])
        return bool(draft["to_session"] in (parent.from_session, parent.to_session))

    def _project_of(self, party: str) -> str | None:
        """Return a session's project; of a person the caller's project, of a session that nobody knows None."""
        rows = self._store.rows(
            "messages.parties", now=self._store.now, from_session=party, to_session=None, visible=self.bus.visible
        )
        if rows:
            return str(rows[0][1])
        return self.bus.here.project if not is_session(party) else None


def _of_group(to_session: str, group: str) -> str | None:
    """Return what sessions of a group have in common; None where a message is not for such a group."""
    return to_session.removeprefix(group) if to_session.startswith(group) else None


def _first_line(body: str) -> str:
    lines = body.strip().splitlines()
    subject = " ".join(lines[0].split())[:200] if lines else ""
    if not subject:
        raise InvalidInput("the message has neither a subject nor a body", hint="Say what it is about in a line")
    return subject


def _task_of(type: str, message_id: str, parent_task: str | None, data: dict[str, Json] | None) -> str | None:  # noqa: A002
    """Return a message's task id: an offer's own id, else that of its parent, or the one that `data` names."""
    if type == "task_offer":
        return message_id
    named = (data or {}).get("task_id") if type in TASK_TYPES else None
    task_id = named if isinstance(named, str) else parent_task
    return message_id if task_id is None and type == "handoff" else task_id


def _no_message(message_id: str) -> MessageNotFound:
    return MessageNotFound(f"no message has the id {message_id!r}; it never was, or it was pruned")
