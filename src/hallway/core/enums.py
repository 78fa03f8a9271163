"""The words of a status, a message's type and a memory entry's type, as enumerations whose members are strings.

Wherever an operation takes the word it takes the member, and a record's field equals it.
"""

from __future__ import annotations

from enum import StrEnum


class SessionStatus(StrEnum):
    """What a session does."""

    ACTIVE = "active"
    IDLE = "idle"
    WORKING = "working"
    WAITING = "waiting"
    OFFLINE = "offline"


class MessageType(StrEnum):
    """What kind of message it is."""

    PING = "ping"
    REQUEST = "request"
    RESPONSE = "response"
    BROADCAST = "broadcast"
    NOTIFICATION = "notification"
    TASK_OFFER = "task_offer"
    TASK_ACCEPT = "task_accept"
    SYNC = "sync"
    HANDOFF = "handoff"


class MemoryType(StrEnum):
    """What kind of thing is remembered."""

    STATE = "state"
    FACT = "fact"
    DECISION = "decision"
    TASK = "task"
    CONTEXT = "context"
    NOTE = "note"
    CONFIG = "config"
