"""The sinks by the type that the rules file gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hallway.core.errors import FileUnusable
from hallway.notifications.apprise_sink import AppriseSink
from hallway.notifications.command_sink import CommandSink
from hallway.notifications.desktop import DesktopSink
from hallway.notifications.terminal_sink import TerminalSink
from hallway.notifications.webhook import WebhookSink

if TYPE_CHECKING:
    from hallway.notifications.rules import SinkOptions
    from hallway.notifications.sinks import Sink


def sink_for(options: SinkOptions) -> Sink:
    """Return the sink of a section of the rules file."""
    for kind in (DesktopSink, TerminalSink, WebhookSink, AppriseSink, CommandSink):
        if kind.type == options.type:
            return kind(options)
    raise FileUnusable(f"the sink {options.name} has the unknown type {options.type!r}")
