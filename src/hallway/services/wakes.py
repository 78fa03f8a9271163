"""Wake-ups: when an idle session may start a turn, for which messages, and how often (M8, M3).

Every way of waking a session uses this service, so that there is one budget. A wake-up is one turn with one digest.
`start` takes the messages for it in one transaction: two simultaneous wake-ups become one, and no hook shows messages
that are on their way to the client. The turn counts against the budget of each thread of its messages. A thread that
the session begins in such a turn shares that budget. A person's message in the thread, or prompt to one of its
sessions, refills the budget.
"""

from __future__ import annotations

from hallway.core.clock import SECOND, new_id
from hallway.core.model import PERSON, Message, WakeUp, is_session
from hallway.core.operation import operation
from hallway.core.schema import encode
from hallway.services.base import Service, whole_number_setting
from hallway.services.rows import record_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from hallway.core.context import Context

BUDGET = 8  # turns that wake-ups may start in a thread between agents; HALLWAY_WAKE_BUDGET
MAX_WAKES = 10  # of one session, by agents, within WITHIN_S
WITHIN_S = 600
IN_FLIGHT_S = 60  # how long a message handed to a client counts as on its way; `messages.inbox` uses the same number
GATHER_S = 0.3  # from a message to the wake-up, so that a burst is one turn
LOOKED_AT = 20
IDLE = ("idle", "active")


class Budget:
    """The budget of a thread: the turns `used`, and when the recipient may be woken again, if not now."""

    __slots__ = ("budget_id", "free_at", "used")

    def __init__(self, budget_id: str, used: int, free_at: int | None) -> None:
        self.budget_id = budget_id
        self.used = used
        self.free_at = free_at


class WakeUps(Service, noun="wakes"):
    """Wake-ups of idle sessions, with their budgets."""

    def __init__(self, bus: Context | Service | str | PathLike[str] | None = None) -> None:
        super().__init__(bus)
        self.budget = whole_number_setting("HALLWAY_WAKE_BUDGET", BUDGET)

    @operation("POST /sessions/{session_id}/wake")
    def start(self, session_id: str) -> WakeUp:
        """Take the messages for waking an idle session; none if no message needs a turn, or no turn may start now.

        The turn is counted. For a minute no hook shows these messages, because the client is about to show them.
        Held-back messages are included. `retry_after_s` says when to ask again even without new messages. Raises
        SessionNotFound for an unknown id.
        """
        session = self.bus.sessions.require(session_id)
        if not session.is_live or session.status not in IDLE:
            return WakeUp.of((session_id, [], None))
        now = self._store.now
        rows = self._store.rows("wakes.new", now=now, session_id=session_id, limit=LOOKED_AT)
        handed_at = max((row[-1] or 0 for row in rows), default=0)
        if handed_at > now - IN_FLIGHT_S * SECOND:
            return WakeUp.of((session_id, [], (handed_at - now) / SECOND + IN_FLIGHT_S))
        worth = [
            message
            for row in rows
            if row[-1] is None and self.is_worth(message := record_of(Message, row[:-1]), session_id)
        ]
        budgets = {each.message_id: self._budget_of(each.thread_id, session_id) for each in worth}
        paying = [each for each in worth if _is_person(each) or budgets[each.message_id].used < self.budget]
        if not paying:
            return WakeUp.of((session_id, [], None))
        if not any(map(_is_person, paying)) and (retry_s := self._retry_s(budgets[paying[0].message_id])):
            return WakeUp.of((session_id, [], retry_s))
        self._count(session_id, paying, budgets)
        self._store.rows("wakes.hand", now=now, session_id=session_id, seqs=encode([row[1] for row in rows]))
        return WakeUp.of((session_id, [record_of(Message, row[:-1]) for row in rows], None))

    @operation("POST /sessions/{session_id}/wake/undo")
    def undo(self, session_id: str, message_ids: list[str]) -> int:
        """Return messages that a wake-up could not deliver; a wake-up that delivered none is not counted.

        Returns the number of messages that are new again.
        """
        given = len(self._store.rows("wakes.give_back", session_id=session_id, message_ids=encode(message_ids)))
        self._store.rows("wakes.forget_last", session_id=session_id)
        return given

    @operation("POST /sessions/{session_id}/wake/confirm")
    def confirm(self, session_id: str) -> int:
        """Mark as injected what wake-ups have handed over: the client is at a turn that began with it.

        For clients that do not report which messages a turn begins with. Returns how many were new.
        """
        rows = self._store.rows("wakes.handed", session_id=session_id)
        return self.bus.messages.mark_injected(session_id, [row[0] for row in rows]) if rows else 0

    @operation("POST /sessions/{session_id}/wake/continue")
    def continue_turn(self, session_id: str, message_ids: list[str]) -> int:
        """Count a turn that continues at its end because of messages; return the number that the budgets allow."""
        messages = [self.bus.messages.require(each) for each in message_ids]
        budgets = {each.message_id: self._budget_of(each.thread_id, session_id) for each in messages}
        paying = [each for each in messages if _is_person(each) or budgets[each.message_id].used < self.budget]
        self._count(session_id, paying, budgets)
        return len(paying)

    @operation("POST /sessions/{session_id}/wake/refill")
    def refill(self, session_id: str) -> int:
        """Record a person's prompt to a session: its threads' budgets are refilled; return how many were."""
        rows = self._store.rows("wakes.refill", now=self._store.now, session_id=session_id)
        return len({row[0] for row in rows})

    # -- called by other services, inside a transaction ---------------------------------------------------------------

    def is_worth(self, message: Message, session_id: str) -> bool:
        """Return whether a message may wake an idle agent.

        A broadcast would wake every session at once. A ping needs no answer. Responses that answer no open request
        could go back and forth without end.
        """
        if message.type == "response":
            return self._is_answer_wanted(message, session_id)
        is_own = is_session(message.to_session) and message.type != "ping"
        return message.priority == "urgent" or (is_own and message.priority != "low")

    def sent(self, message: dict[str, Any]) -> None:
        """Update budgets for a stored message: a person's refills its thread's budget, a new thread may share one."""
        thread_id, sender = message["thread_id"], message["from_session"]
        if sender.startswith(PERSON):
            if message["in_reply_to"]:
                budget = self._budget_of(thread_id, sender)
                self._store.change("wakes.refill_budget", now=self._store.now, budget_id=budget.budget_id)
        elif thread_id == message["message_id"]:
            self._store.change("wakes.share", now=self._store.now, thread_id=thread_id, session_id=sender)

    def held_back(self, message: Message, session_id: str) -> str | None:
        """Return the reason, for the sender, why a message does not wake its session; None if it does."""
        if _is_person(message) or not self.is_worth(message, session_id):
            return None
        budget = self._budget_of(message.thread_id, session_id)
        if budget.used >= self.budget:
            return (
                f"this thread's budget of {self.budget} turns that wake-ups start is used up. The message is shown with"
                " the next turn, and a person's message or prompt fills the budget again"
            )
        if retry_s := self._retry_s(budget):
            return (
                f"it was woken {MAX_WAKES} times in {WITHIN_S // 60} minutes. The message is shown with its next turn,"
                f" and wakes it in {retry_s:.0f} s at the earliest"
            )
        return None

    def prune_old(self, before: int, limit: int) -> int:
        self._store.rows("wakes.prune", before=before)
        self._store.rows("wakes.prune_shared", before=before)
        return 0  # no message was written

    def _budget_of(self, thread_id: str, session_id: str) -> Budget:
        row = self._store.one(
            "wakes.budget",
            thread_id=thread_id,
            session_id=session_id,
            most=MAX_WAKES,
            since=self._store.now - WITHIN_S * SECOND,
        )
        budget_id, used, tenth_at = row or (thread_id, 0, None)
        return Budget(budget_id, used, None if tenth_at is None else tenth_at + WITHIN_S * SECOND)

    def _retry_s(self, budget: Budget) -> float:
        """Return the seconds until the session may be woken again; 0 means now."""
        return 0.0 if budget.free_at is None else max((budget.free_at - self._store.now) / SECOND, 0.001)

    def _count(self, session_id: str, paying: list[Message], budgets: dict[str, Budget]) -> None:
        wake_id, now = new_id(), self._store.now
        for each in paying:
            self._store.change(
                "wakes.count",
                wake_id=wake_id,
                session_id=session_id,
                from_session=each.from_session,
                now=now,
                budget_id=budgets[each.message_id].budget_id,
                refilled_at=now if _is_person(each) else None,
            )

    def _is_answer_wanted(self, message: Message, session_id: str) -> bool:
        row = self._store.one(
            "wakes.is_answer_wanted",
            in_reply_to=message.in_reply_to,
            session_id=session_id,
            seq=message.seq,
            from_session=message.from_session,
        )
        return row is not None


def _is_person(message: Message) -> bool:
    return message.from_session.startswith(PERSON)
