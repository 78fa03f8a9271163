"""Wakes a session that idles when somebody writes to it: run in the process that the session's client started.

What is worth a turn of somebody's agent, and how often, the bus decides (`services/wakes.py`). What is not handed over
here, or not taken by the client, waits in the inbox and is shown by the session's hooks.
"""

from __future__ import annotations

import os
import sys

from hallway.agents.client_parts import adapter_of, waker_of
from hallway.agents.hook.digest import compose, message_lines
from hallway.agents.hook.event import WOKEN
from hallway.core.errors import HallwayError, SessionNotFound
from hallway.local.client_catalog import CATALOG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from hallway.agents.client_parts import Deliver
    from hallway.bus.base import Bus

ID_DASHES = (8, 13, 18, 23)


class Waker:
    """Wakes the sessions of one client's process.

    `retry_after_s`: when to try again although nothing new arrives, as the last attempt found.
    """

    def __init__(self, bus: Bus, client: int, environ: Mapping[str, str] | None = None) -> None:
        self._bus = bus
        self._client = client
        self._environ = os.environ if environ is None else environ
        self.retry_after_s: float | None = None

    def deliver(self, session_id: str) -> bool:
        """Wake a session for what is new, if it idles and its client has a way; whether it was handed anything.

        Never raises: what cannot be delivered now waits in the inbox.
        """
        self.retry_after_s = None
        try:
            session = self._bus.sessions.get(session_id)
            deliver = waker_of(session.agent_type) if session.is_live and session.agent_type in CATALOG else None
            if deliver is None:
                return False
            words, message_ids, self.retry_after_s = wake_up(self._bus, session_id)
            if not message_ids or not self._hand_over(deliver, session_id, words, message_ids):
                return False
            if not adapter_of(session.agent_type).reports_wake_ups:
                self._bus.sessions.heartbeat(session_id, status="working", limit=1)
            return True
        except SessionNotFound:
            return False
        except (HallwayError, OSError) as error:
            sys.stderr.write(f"hallway cannot wake {session_id}: {error}\n")
            return False

    def _hand_over(self, deliver: Deliver, session_id: str, words: str, message_ids: list[str]) -> bool:
        if deliver(session_id, words, self._client, self._environ):
            return True
        self._bus.wakes.undo(session_id, message_ids)
        return False


def wake_up(bus: Bus, session_id: str) -> tuple[str, list[str], float | None]:
    """Return the text that starts a turn in a session, its messages' ids, and otherwise when to ask again.

    The text is empty if the session is not idle, or no message needs a turn now.
    """
    if not bus.messages.inbox(session_id, limit=1, new_only=True):
        return "", [], None  # a look takes no lock
    wake = bus.wakes.start(session_id)
    if not wake.messages:
        return "", [], wake.retry_after_s
    words, message_ids = compose(message_lines(bus, wake.messages), head=WOKEN, has_messages=True)
    if rest := [each.message_id for each in wake.messages if each.message_id not in message_ids]:
        bus.wakes.undo(session_id, rest)
    return words, message_ids, None


def ids_in(text: str) -> list[str]:
    """Return the messages' ids in what a wake-up said."""
    return [word for word in text.split() if len(word) == 36 and all(word[at] == "-" for at in ID_DASHES)]
