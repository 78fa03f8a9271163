"""Everything that Apprise knows: ntfy, Slack, Discord, Telegram, mail and a hundred others, by one URL each.

Apprise runs in a process of its own, which is killed when its time is over: its plug-ins have no time limit for the
whole of a notification. The URL, which holds the service's secrets, is that process's standard input.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from hallway.core.errors import NotificationFailed
from hallway.core.schema import encode
from hallway.notifications.child_process import run_program
from hallway.notifications.sinks import LIMIT_S, Sink

if TYPE_CHECKING:
    from hallway.notifications.notification import Answer, Notification

PROGRAM = "hallway.notifications.apprise_process"
LACK = ("Apprise is not installed", "pip install 'hallway[notify]'")


class AppriseSink(Sink):
    """Sends the notification to one of Apprise's services."""

    type = "apprise"

    def describe(self) -> str:
        return f"{self.options.url.partition('://')[0]}://… by Apprise"

    def missing(self) -> tuple[str, str] | None:
        return None if find_spec("apprise") else LACK

    def send(self, notification: Notification) -> Answer | None:
        if self.missing():
            raise NotificationFailed(LACK[0], hint=LACK[1])
        body = notification.text if self.has_text and notification.text else notification.headline
        title = notification.headline if body != notification.headline else "hallway"
        asked = {"url": self.options.url, "title": title, "body": body, "is_urgent": notification.item.is_urgent}
        try:
            run_program([sys.executable, "-P", "-m", PROGRAM], LIMIT_S, stdin=encode(asked).encode())
        except NotificationFailed as error:
            raise NotificationFailed(f"{self.describe()} failed: {error.message}", is_final=error.is_final) from None
        return None
