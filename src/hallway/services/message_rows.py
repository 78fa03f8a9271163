"""Messages made from drafts, and deliveries from rows with a state that is derived."""

from __future__ import annotations

from hallway.core.clock import to_datetime
from hallway.core.model import Delivery, Message
from hallway.services.rows import record_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.store import Row


def stored_message(draft: dict[str, Any], seq: int, now: int) -> Message:
    """Return the stored message of a draft."""
    values = {**draft, "seq": seq, "sent_at": now}
    return record_of(Message, tuple(values[name] for name in Message._fields))


def delivery_of(row: Row, held_back: str | None, now: int) -> Delivery:
    """Return a delivery from the columns of `messages.deliveries`, with the state that it has at the time `now`."""
    message_id, recipient, stored_at, injected_at, acknowledged_at, _, expires_at, request_state = row
    state = "acknowledged" if acknowledged_at else "injected" if injected_at else "stored"
    if state == "stored" and expires_at is not None and expires_at <= now:
        state = "expired"
    return Delivery.of(
        (
            message_id,
            recipient,
            state,
            to_datetime(stored_at),
            to_datetime(injected_at) if injected_at else None,
            to_datetime(acknowledged_at) if acknowledged_at else None,
            held_back,
            request_state,
        )
    )
