"""Waiting for the reply to a message, in the process that waits: it calls operations, also of a bus behind a hub."""

from __future__ import annotations

import time

from hallway.core.backoff import Backoff
from hallway.core.errors import HallwayError, NoAnswer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from hallway.core.context import Context
    from hallway.core.model import Message, Request

ONE_WAIT_S = 20.0  # of a longer wait: what a connection's own time limit allows with room to spare
LONGEST_PAUSE_S = 2.0  # between attempts to reach a bus that is away
WITHOUT_ANSWER = {
    "turn_ended": "ended its turn without answering",
    "recipient_gone": "is gone and has not answered",
    "expired": "had not answered when the request expired",
}


def deadline_of(timeout_s: float | None) -> float:
    """Return when a wait that begins now is over; None waits for ever."""
    return float("inf") if timeout_s is None else time.monotonic() + timeout_s


def still_possible(message_id: str) -> str:
    """Return the hint of an error about a reply that has not come."""
    return f"The reply may still come. Go on waiting: wait_reply({message_id!r})"


def state_of(bus: Context, session_id: str, message_id: str, deadline: float) -> str:
    """Return how a session's request stands; empty for a message that is none."""
    outcome = persist(bus, lambda: bus.requests.outcome(session_id, message_id), deadline)
    return str(outcome[0].state) if outcome else ""


def await_reply(bus: Context, session_id: str, message_id: str, deadline: float, state: str) -> Message | None:
    """Return the first reply to a message, acknowledged; None if there is none by the deadline.

    Raises NoAnswer once a request is in another state than `state` and no answer is to be expected. For a message that
    is no request, `state` is empty.
    """

    def read_replies(wait_s: float) -> list[Message]:
        replies: list[Message] = bus.messages.replies(session_id, message_id, wait_s, limit=1)
        return replies

    while True:
        left_s = max(deadline - time.monotonic(), 0)
        wait_s = min(left_s, ONE_WAIT_S)
        if replies := persist(bus, lambda: read_replies(0 if state else wait_s), deadline):  # noqa: B023
            persist(bus, lambda: bus.messages.acknowledge(session_id, [replies[0].message_id]), deadline)
            reply: Message = replies[0]
            return reply
        if not left_s:
            return None
        if state:
            outcome = persist(
                bus,
                lambda: bus.requests.outcome(session_id, message_id, wait_s, other_than=state),  # noqa: B023
                deadline,
            )
            state = _require_possible(outcome[0]) if outcome else state


def _require_possible(request: Request) -> str:
    """Return the state of a request that may be answered; raise NoAnswer for one of which no answer is expected."""
    if why := WITHOUT_ANSWER.get(request.state):
        raise NoAnswer(f"{request.to_session} {why}", hint=still_possible(request.message_id), cause=request.state)
    return request.state


def persist(bus: Context, call: Callable[[], Any], deadline: float) -> Any:
    """Return what a call returns; if the bus is away, try again until the deadline or until the bus is closed."""
    backoff = Backoff(most_s=LONGEST_PAUSE_S)
    while True:
        try:
            return call()
        except HallwayError as error:
            pause_s = backoff.next_s()
            if not error.is_passing or bus.is_closed or time.monotonic() + pause_s > deadline:
                raise
            time.sleep(pause_s)
