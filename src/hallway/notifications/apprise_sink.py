"""Everything that Apprise knows: ntfy, Slack, Discord, Telegram, mail and a hundred others, by one URL each.

Apprise runs in a process of its own, which is killed when its time is over: its plug-ins have no time limit for the
whole of a notification. The URL, which holds the service's secrets, is that process's standard input.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import quote

from hallway.core.errors import NotificationFailed
from hallway.core.schema import encode
from hallway.notifications.apprise_process import SENT, UNKNOWN_URL
from hallway.notifications.child_process import run_program
from hallway.notifications.sinks import LIMIT_S, Sink
from hallway.text.style import QUICK_ANSWERS

if TYPE_CHECKING:
    from hallway.notifications.notification import Answer, Notification

PROGRAM = "hallway.notifications.apprise_process"
WIKI = "See https://github.com/caronc/apprise/wiki"
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
        url = self.options.url
        if actions := buttons(notification):
            url += f"{'&' if '?' in url else '?'}actions={quote(actions, safe='')}"
        asked = {"url": url, "title": title, "body": body, "is_urgent": notification.item.is_urgent}
        # Warnings of Apprise's modules are ignored: with PYTHONWARNINGS=error they would end the process.
        program = [sys.executable, "-P", "-W", "ignore", "-m", PROGRAM]
        status = run_program(program, LIMIT_S, stdin=encode(asked).encode())
        if status == UNKNOWN_URL:
            raise NotificationFailed(f"Apprise cannot read the URL of the sink {self.name}", hint=WIKI, is_final=True)
        if status != SENT:
            raise NotificationFailed(f"{self.describe()} failed: the service did not take it")
        return None


def buttons(notification: Notification) -> str:
    """Return the buttons by which ntfy answers an item, as its header X-Actions has them; empty if there are none.

    Each button sends the one-time token and its answer to the hub, which needs no other token for that.
    """
    if notification.token is None or notification.answer_url is None:
        return ""
    actions = [
        {
            "action": "http",
            "label": label,
            "url": notification.answer_url,
            "method": "POST",
            "headers": {"Content-Type": "application/json"},
            "body": encode({"token": notification.token.token, "body": text}),
            "clear": True,
        }
        for _, label, text in QUICK_ANSWERS
    ]
    return encode(actions)
