"""Requests: what became of each, until it is answered, so that nobody waits in silence (M9, M10).

A request is a message with a row of its own that says how it stands. Whatever keeps it from being answered in time is
told once, to whom it concerns, by a message in its thread (a *notice*): so a digest shows it, and an idle sender is
woken for it within the budgets of M8. A notice is no request and no reply: nothing follows from it but what its reader
does. See docs/decisions/0016-what-became-of-a-request.md for the states.
"""

from __future__ import annotations

from hallway.core.clock import SECOND, to_datetime
from hallway.core.errors import InvalidInput
from hallway.core.model import CAPABILITY, EVERYBODY, PERSON, Json, Message, Request, RequestStats
from hallway.core.operation import operation
from hallway.core.topics import topic
from hallway.services.base import Service
from hallway.services.rows import record_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.store import Row

REPLY_WITHIN_S = 600  # unless the sender says otherwise
SWEEP_AT_ONCE = 500  # so that one reader never pays for a night of deadlines
GROUPS = (CAPABILITY, "type:", "branch:")
CAUSES = {
    "turn_ended": "{who} ended its turn without answering your request",
    "recipient_gone": "{who} is gone and has not answered your request",
    "expired": "nobody answered your request before it expired",
}


class RequestBook(Service, noun="requests"):
    """The requests of a bus: who waits for whose answer, and until when."""

    @operation("GET /requests", verb="requests", words=(), is_of_all=True)
    def find(
        self,
        project: str | None = None,
        *,
        from_session: str | None = None,
        to_session: str | None = None,
        unanswered: bool = False,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Request]:
        """Return the requests, newest first, each with its deadline and how it stands.

        Of a project, a sender or a recipient; with `unanswered` only those that still wait for an answer. For the next
        page pass the last `seq` of this page.
        """
        rows = self._store.rows(
            "requests.find_unanswered" if unanswered else "requests.find",
            project=project,
            from_session=from_session,
            to_session=to_session,
            before=before,
            limit=limit,
            visible=self.bus.visible,
            person=self.bus.person,
        )
        return [record_of(Request, row) for row in rows]

    @operation("GET /requests/counts", is_of_all=True)
    def counts(self, project: str | None = None) -> RequestStats:
        """Return how many requests wait for an answer, by how they stand: of one project or of all."""
        rows = self._store.rows("requests.counts", project=project, visible=self.bus.visible)
        by_state: dict[str, int] = dict(rows)
        return RequestStats.of((sum(by_state.values()), by_state))

    @operation("GET /sessions/{session_id}/requests/{message_id}", waits_for="session_id")
    def outcome(
        self, session_id: str, message_id: str, wait_s: float = 0, *, other_than: str | None = None
    ) -> list[Request]:
        """Return how a session's or person's request stands; with `other_than`, none while it is in that state.

        With `wait_s` it waits for another state. Raises MessageNotFound for an unknown message.
        """
        row = self._store.one("requests.get", message_id=message_id)
        if row is None:
            self.bus.messages.require(message_id)
            return []
        request = record_of(Request, row)
        return [request] if request.from_session == session_id and request.state != other_than else []

    # -- called by the bus and by other services, inside a transaction ------------------------------------------------

    def deadline(self, draft: dict[str, Json], reply_within_s: int | None) -> int | None:
        """Return by when a message is to be answered: a request's time, at most until it expires; None for no time."""
        if draft["type"] != "request":
            if reply_within_s is not None:
                raise InvalidInput(
                    f"a {draft['type']} has no time to reply within, only a request has",
                    hint="Send it with the type request, or leave reply_within_s out",
                )
            return None
        within_s = REPLY_WITHIN_S if reply_within_s is None else reply_within_s
        if not within_s:
            return None
        reply_by: int = self._store.now + within_s * SECOND
        return reply_by if draft["expires_at"] is None else min(reply_by, draft["expires_at"])

    def sent(self, draft: dict[str, Any], seq: int) -> None:
        """Record a stored message: a request is open from now on, a reply answers the request that it is for."""
        if draft["in_reply_to"]:
            rows = self._store.rows("requests.answer", now=self._store.now, answer_id=draft["message_id"], **draft)
            for row in rows:
                self._changed("request.answered", row, draft["from_session"], answer_id=draft["message_id"])
        if draft["type"] == "request" and draft["to_session"] != draft["from_session"]:
            self._store.change(
                "requests.open",
                now=self._store.now,
                seq=seq,
                to_group=is_group(draft["to_session"]),
                **draft,
            )

    def original(self, message: Message) -> Message:
        """Return the request that a reminder is about, so that a reply to the reminder answers it; else the message."""
        request_id = message.data.get("request_id")
        if message.type != "notification" or not isinstance(request_id, str):
            return message
        row = self._store.one("messages.get", message_id=request_id)
        request = record_of(type(message), row) if row else None
        is_same = request and (request.thread_id, request.from_session) == (message.thread_id, message.from_session)
        return request if request and is_same else message

    def sweep(self) -> None:
        """Record passed deadlines and expired messages, each exactly once, at most `SWEEP_AT_ONCE` of each."""
        now = self._store.now
        for row in self._store.rows("messages.expire", now=now, limit=SWEEP_AT_ONCE):
            self._expired(*row)
        for row in self._store.rows("requests.pass_deadline", now=now, limit=SWEEP_AT_ONCE):
            self._overdue(row)

    def on_clock_set_back(self) -> None:
        """Give what was asked at a time that is now in the future its whole time from now."""
        self._store.rows("requests.rewind", now=self._store.now)

    def on_pause(self, before: int, pause: int) -> None:
        """Move the deadlines that were ahead during a pause in which nobody could answer (S13)."""
        self._store.rows("requests.leave_out_pause", before=before, pause=pause, now=self._store.now)

    def on_turn_ended(self, session_id: str) -> None:
        """Tell whose requests a session has seen and not answered by the end of its turn (M9)."""
        for row in self._store.rows("requests.end_turn", session_id=session_id, now=self._store.now):
            self._unanswered(row, "turn_ended")

    def on_session_ended(self, session_id: str, project: str) -> None:
        """Tell whose requests to a session that is gone are unanswered; of a group's, when its last session is gone."""
        parties = {"session_id": session_id, "project": project, "now": self._store.now}
        for statement in ("requests.leave", "requests.leave_group"):
            for *row, times_gone in self._store.rows(statement, **parties):
                self._unanswered(tuple(row), "recipient_gone", is_told=times_gone == 1)

    def on_session_resumed(self, session_id: str, project: str) -> None:
        """Record that the recipient of these requests is live again."""
        parties = {"session_id": session_id, "project": project, "now": self._store.now}
        for statement in ("requests.return", "requests.return_group"):
            for (from_session,) in self._store.rows(statement, **parties):
                self.bus.changed_topics.add(topic(self.noun, from_session))

    def succeed(self, session_id: str, continues: str) -> None:
        """Give a session the requests that its predecessor has not answered, and those that it waits for (S14)."""
        self._store.rows("requests.move_to", session_id=session_id, continues=continues)
        self._store.rows("requests.move_from", session_id=session_id, continues=continues)

    # -- telling ------------------------------------------------------------------------------------------------------

    def _overdue(self, row: Row) -> None:
        about = _about(row)
        self._changed("request.overdue", row, about["to_session"])
        due = f"{to_datetime(about['reply_by']):%H:%M} UTC"
        self._tell_sender(
            about, "overdue", f"{self.bus.sessions.called(about['to_session'])} has not answered your request by {due}"
        )
        if not about["is_group"] and not about["to_session"].startswith(PERSON):
            asker = self.bus.sessions.called(about["from_session"])
            text = f"{asker} has waited for your answer since it was due at {due}"
            self.bus.messages.notify_of_request(
                about["from_session"],
                about["to_session"],
                text,
                about,
                "overdue",
                priority="low",  # it wakes nobody
            )

    def _unanswered(self, row: Row, cause: str, *, is_told: bool = True) -> None:
        """Tell a request's sender why there is no answer; one that is not told again only finds the state changed."""
        about = _about(row)
        if not is_told:
            self.bus.changed_topics.add(topic(self.noun, about["from_session"]))
            return
        self._changed("request.unanswered", row, about["to_session"], cause=cause)
        self._tell_sender(about, cause, CAUSES[cause].format(who=self.bus.sessions.called(about["to_session"])))

    def _tell_sender(self, about: dict[str, Any], cause: str, text: str) -> None:
        """Send the notice for a request's sender, from its recipient or, if that is no session, from the sender."""
        is_session = not about["is_group"] and not about["to_session"].startswith(PERSON)
        self.bus.messages.notify_of_request(
            about["to_session"] if is_session else about["from_session"],
            about["from_session"],
            text,
            about,
            cause,
        )

    def _changed(self, kind: str, row: Row, session_id: str, **more: Any) -> None:
        about = _about(row)
        named = {name: about[name] for name in ("message_id", "subject", "from_session", "to_session")}
        is_party = not is_group(session_id) and not session_id.startswith(PERSON)
        self.bus.events.append(kind, about["project"], session_id if is_party else None, **named, **more)
        self.bus.changed_topics.add(topic(self.noun, about["from_session"]))

    def _expired(
        self,
        seq: int,
        message_id: str,
        project: str,
        type: str,  # noqa: A002
        from_session: str,
        to_session: str,
        subject: str,
        unread: int,
    ) -> None:
        """Record a message's expiry, if somebody has not seen it, and tell the sender of an unanswered request."""
        if unread:
            self.bus.events.append(
                "message.expired",
                project,
                None,
                message_id=message_id,
                type=type,
                from_session=from_session,
                to_session=to_session,
                subject=subject,
                recipients=unread,
            )
        for row in self._store.rows("requests.expire", seq=seq, now=self._store.now) if type == "request" else ():
            self._unanswered(row, "expired")


def is_group(address: str) -> bool:
    """Return whether an address is that of several sessions."""
    return address == EVERYBODY or address.startswith(GROUPS)


CONCERNED = (
    "seq",
    "project",
    "from_session",
    "to_session",
    "is_group",
    "reply_by",
    "message_id",
    "subject",
    "thread_id",
)


def _about(row: Row) -> dict[str, Any]:
    """Return the columns of the fragment `concerned` by name."""
    return dict(zip(CONCERNED, row, strict=True))
