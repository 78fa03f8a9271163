"""String enumerations of session statuses, message types and memory types.

An operation accepts a member wherever it accepts the plain string, and a member equals a record's field.
"""

from __future__ import annotations

from enum import StrEnum


class SessionStatus(StrEnum):
    """The status of a session."""

    ACTIVE = "active"
    IDLE = "idle"
    WORKING = "working"
    WAITING = "waiting"
    OFFLINE = "offline"


class MessageType(StrEnum):
    """The kind of a message."""

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
    """The kind of a memory entry."""

    STATE = "state"
    FACT = "fact"
    DECISION = "decision"
    TASK = "task"
    CONTEXT = "context"
    NOTE = "note"
    CONFIG = "config"
