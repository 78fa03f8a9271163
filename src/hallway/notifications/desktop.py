"""Notifications of the desktop: `notify-send` on Linux and the BSDs, `osascript` on macOS."""

from __future__ import annotations

import os
import shutil
import sys
from html import escape
from typing import TYPE_CHECKING

from hallway.core.errors import NotificationFailed
from hallway.notifications.child_process import require_success
from hallway.notifications.sinks import Sink

if TYPE_CHECKING:
    from hallway.notifications.notification import Answer, Notification

LIMIT_S = 10.0
# By any of these variables notify-send finds the desktop's message bus; a service of the system has none of them.
SESSION_BUSES = ("DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "DISPLAY", "WAYLAND_DISPLAY")
# The texts are arguments, so that AppleScript never reads them as a program.
SCRIPT = "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run"


class DesktopSink(Sink):
    """Shows a notification on the desktop of the person who runs this program."""

    type = "desktop"
    is_of_host = True

    def describe(self) -> str:
        return f"this desktop, by {self._program}"

    def missing(self) -> tuple[str, str] | None:
        if not shutil.which(self._program):
            return f"{self._program} is not installed", "apt-get install libnotify-bin, or your system's package for it"
        if self._program == "notify-send" and not any(map(os.environ.get, SESSION_BUSES)):
            return "this program runs in no desktop session", "Run it in yours: hallway notify"
        return None

    def send(self, notification: Notification) -> Answer | None:
        if lack := self.missing():
            raise NotificationFailed(lack[0], hint=lack[1])
        headline, text = notification.headline, notification.text
        if self._program == "osascript":
            require_success(["osascript", "-e", SCRIPT, "--", headline, text], LIMIT_S)
            return None
        urgency = "critical" if notification.item.is_urgent else "normal"
        # Servers read markup in the body. `--` ends the options: a text may begin with a hyphen.
        options = ["--app-name=hallway", f"--urgency={urgency}"]
        require_success(["notify-send", *options, "--", headline, escape(text, quote=False)], LIMIT_S)
        return None

    @property
    def _program(self) -> str:
        return "osascript" if sys.platform == "darwin" else "notify-send"
