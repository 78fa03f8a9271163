"""What a sink is: a way in which a person is told, such as the desktop, a webhook or a service of Apprise.

A sink sends one notification at a time, within its time limit, and raises NotificationFailed if it cannot. It keeps no
record of what it sent: the bus does.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, ClassVar

from hallway.text.sanitize import sanitize

if TYPE_CHECKING:
    from hallway.notifications.notification import Answer, Notification
    from hallway.notifications.rules import SinkOptions

LIMIT_S = 30.0  # for one notification; less than the lease of the bus
MAX_BACKOFF_S = 300.0  # between two attempts
MAX_ATTEMPTS = 30  # for about two hours, by these pauses


class Sink:
    """A way in which a person is told, by the options of its section in the rules file.

    `is_of_host`: it tells on this machine, so the same sink on another machine is another channel. `is_repeatable`: its
    receiver recognises a repetition by the notification's key.
    """

    type: ClassVar[str] = ""
    is_of_host: ClassVar[bool] = False
    is_repeatable: ClassVar[bool] = False

    def __init__(self, options: SinkOptions) -> None:
        self.options = options
        self.name = options.name

    @property
    def channel(self) -> str:
        """Return the name under which the bus records what was sent."""
        return f"{self.name}@{sanitize(socket.gethostname()).replace(' ', '-')}" if self.is_of_host else self.name

    @property
    def has_text(self) -> bool:
        """Return whether the text is sent, too: what stays on this machine always has it."""
        return self.is_of_host or self.options.send_text

    def describe(self) -> str:
        """Return where it sends to, without secrets."""
        return self.type

    def missing(self) -> tuple[str, str] | None:
        """Return what this machine lacks for the sink, and what to type; None if it lacks nothing."""
        return None

    def send(self, notification: Notification) -> Answer | None:
        """Send a notification; return the answer to its item that came back, if any. Raises NotificationFailed."""
        raise NotImplementedError
