"""Messages and deliveries as records, made from rows of the store."""

from __future__ import annotations

from hallway.core.clock import to_datetime
from hallway.core.model import Delivery, Message
from hallway.core.schema import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.store import Row


def message_of(row: Row) -> Message:
    """Return a message from the columns of `messages.get`."""
    (
        message_id,
        seq,
        kind,
        from_session,
        to_session,
        project,
        subject,
        body,
        data,
        priority,
        in_reply_to,
        thread_id,
        task_id,
        sent_at,
        expires_at,
    ) = row
    return Message.of(
        (
            message_id,
            seq,
            kind,
            from_session,
            to_session,
            project,
            subject,
            body,
            {} if data == "{}" else decode(data),
            priority,
            in_reply_to,
            thread_id,
            task_id,
            to_datetime(sent_at),
            to_datetime(expires_at) if expires_at else None,
        )
    )


def stored_message(draft: dict[str, Any], seq: int, now: int) -> Message:
    """Return the stored message of a draft."""
    names = (
        "type",
        "from_session",
        "to_session",
        "project",
        "subject",
        "body",
        "data",
        "priority",
        "in_reply_to",
        "thread_id",
        "task_id",
    )
    return message_of((draft["message_id"], seq, *(draft[name] for name in names), now, draft["expires_at"]))


def delivery_of(row: Row, held_back: str | None) -> Delivery:
    """Return a delivery from the columns of `messages.deliveries`, with its state."""
    message_id, recipient, stored_at, injected_at, acknowledged_at, _ = row
    state = "acknowledged" if acknowledged_at else "injected" if injected_at else "stored"
    return Delivery.of(
        (
            message_id,
            recipient,
            state,
            to_datetime(stored_at),
            to_datetime(injected_at) if injected_at else None,
            to_datetime(acknowledged_at) if acknowledged_at else None,
            held_back,
        )
    )
