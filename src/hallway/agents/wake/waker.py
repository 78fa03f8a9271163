"""Wakes a session that idles when somebody writes to it: run in the process that the session's client started.

It judges what is worth a turn of somebody's agent, and how often (M8): a message to the session itself, or an urgent
one; each once; so many in ten minutes. What is not handed over here, or not taken by the client, waits in the inbox
and is shown at the session's next hook.
"""

from __future__ import annotations

import os
import sys
import time

from hallway.agents.hook.digest import compose, message_line
from hallway.agents.hook.moment import WOKEN
from hallway.errors import HallwayError, SessionNotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from hallway.bus import Bus
    from hallway.model import Message, Session

WAYS = {"claude-code": "claude_code", "codex": "codex", "qwen": "qwen"}
IDLE = ("waiting", "idle", "active")
WAKES_MOST = 10
WITHIN_S = 600.0
LOOKED_AT = 20


class Waker:
    """Wakes the sessions of one client's process; knows what it has tried."""

    def __init__(self, bus: Bus, client: int, environ: Mapping[str, str] | None = None) -> None:
        self._bus = bus
        self._client = client
        self._environ = os.environ if environ is None else environ
        self._tried: set[str] = set()
        self._woken_at: list[float] = []

    def deliver(self, session_id: str) -> bool:
        """Wake a session for what is new, if it idles and its client has a way; whether it was handed anything.

        Never raises: what cannot be delivered now waits in the inbox.
        """
        try:
            session = self._bus.sessions.get(session_id)
            if not (session.is_live and session.status in IDLE and session.agent_type in WAYS):
                return False
            messages = [each for each in worth_a_turn(self._bus, session_id) if each.message_id not in self._tried]
            return bool(messages) and self._may_wake() and self._hand_over(session, messages)
        except SessionNotFound:
            return False
        except (HallwayError, OSError) as error:
            sys.stderr.write(f"hallway cannot wake {session_id}: {error}\n")
            return False

    def _may_wake(self) -> bool:
        now = time.monotonic()
        self._woken_at = [at for at in self._woken_at if now - at < WITHIN_S]
        return len(self._woken_at) < WAKES_MOST

    def _hand_over(self, session: Session, messages: list[Message]) -> bool:
        words, shown = wake_words(messages)
        name = f"hallway.agents.wake.{WAYS[session.agent_type]}"
        __import__(name)
        if not sys.modules[name].hand_over(session.session_id, words, self._client, self._environ):
            return False
        self._tried.update(shown)
        self._woken_at.append(time.monotonic())
        return True


def worth_a_turn(bus: Bus, session_id: str) -> list[Message]:
    """The new messages for which an idle agent may be made to work."""
    return [each for each in bus.messages.inbox(session_id, limit=LOOKED_AT, new_only=True) if is_worth(each)]


def is_worth(message: Message) -> bool:
    """A broadcast would set everybody to work at once, and a ping asks for nothing."""
    is_own = not message.to_session.startswith(("*", "capability:")) and message.type != "ping"
    return message.priority == "urgent" or (is_own and message.priority != "low")


def wake_words(messages: list[Message]) -> tuple[str, list[str]]:
    """What an agent is woken with, and the ids of the messages that are in it."""
    return compose([(message_line(each), each.message_id) for each in messages], head=WOKEN, has_messages=True)
