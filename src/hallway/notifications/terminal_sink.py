"""The bell of the terminal in which this program runs, and the sequences by which terminals show notifications."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hallway.core.errors import NotificationFailed
from hallway.notifications.sinks import Sink

if TYPE_CHECKING:
    from hallway.notifications.notification import Answer, Notification

BELL = "\x07"
STRING_END = "\x1b\\"
TERMINAL = "/dev/tty"


class TerminalSink(Sink):
    """Rings the bell; `sequence` is `bell` alone, `osc9` (iTerm2, WezTerm, Ghostty …) or `osc777` (foot, urxvt …)."""

    type = "terminal"
    is_of_host = True

    def describe(self) -> str:
        return f"this terminal, by {self.options.sequence}"

    def missing(self) -> tuple[str, str] | None:
        try:
            os.close(os.open(TERMINAL, os.O_WRONLY | os.O_NOCTTY))
        except OSError as error:
            return f"this program has no terminal: {error.strerror}", "Run it in a terminal: hallway notify"
        return None

    def send(self, notification: Notification) -> Answer | None:
        try:
            with open(TERMINAL, "wb", buffering=0) as terminal:
                terminal.write(self.sequence(notification).encode("utf-8", "replace"))
        except OSError as error:
            raise NotificationFailed(f"this program has no terminal: {error.strerror}", is_final=True) from None
        return None

    def sequence(self, notification: Notification) -> str:
        """Return what is written to the terminal; the texts hold no control characters."""
        headline, text = notification.headline, notification.text
        if self.options.sequence == "osc9":
            return _through_tmux(f"\x1b]9;{headline}{f': {text}' if text else ''}{STRING_END}") + BELL
        if self.options.sequence == "osc777":
            title = headline.replace(";", ",")  # which separates the title from the text
            return _through_tmux(f"\x1b]777;notify;{title};{text}{STRING_END}") + BELL
        return BELL


def _through_tmux(sequence: str) -> str:
    """Return a sequence in the form that tmux passes on to the terminal around it, if this program runs in tmux."""
    if not os.environ.get("TMUX"):
        return sequence
    return f"\x1bPtmux;{sequence.replace(chr(27), chr(27) * 2)}{STRING_END}"
