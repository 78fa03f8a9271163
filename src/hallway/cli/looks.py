"""Records that the person has looked at the attention list: notification rules may leave out what was seen (H3)."""

from __future__ import annotations

from hallway.core.errors import HallwayError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.bus.base import Bus


def note_look(bus: Bus) -> None:
    """Record a look at a list that was shown on a terminal, unless an agent's session has shown it."""
    if bus.here.session_id is not None:
        return
    try:
        bus.notifications.look()
    except HallwayError:
        pass  # the bus may only be read, or the disk is full: the list was shown, and only the look is not recorded
