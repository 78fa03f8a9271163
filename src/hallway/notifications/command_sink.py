"""Any command: the item is its standard input and its environment, never a part of its command line."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from hallway.core.errors import InvalidInput
from hallway.core.schema import encode
from hallway.notifications.child_process import require_success
from hallway.notifications.sinks import LIMIT_S, Sink
from hallway.text.sanitize import clean_json, sanitize

if TYPE_CHECKING:
    from hallway.notifications.notification import Answer, Notification

VARIABLES = ("item_id", "kind", "project", "session_id", "name", "client", "branch", "person", "what", "message_id")


class CommandSink(Sink):
    """Runs a command for each notification; no shell reads the command line."""

    type = "command"
    is_of_host = True

    def describe(self) -> str:
        return f"the command {sanitize(split_command(self.options.command)[0])}"

    def send(self, notification: Notification) -> Answer | None:
        arguments = split_command(self.options.command)
        stdin = clean_json(encode(notification.to_dict(has_text=True))).encode() + b"\n"
        require_success(arguments, LIMIT_S, stdin=stdin, environ=environment(notification), shows_output=True)
        return None


def environment(notification: Notification) -> dict[str, str]:
    """Return the environment variables that describe an item: HALLWAY_ITEM_KIND and so on, each one line."""
    item = notification.item
    values = {name: getattr(item, name) or "" for name in VARIABLES}
    values |= {"headline": notification.headline, "is_urgent": "true" if item.is_urgent else "false"}
    return {f"HALLWAY_ITEM_{name.removeprefix('item_').upper()}": sanitize(value) for name, value in values.items()}


def split_command(command: str) -> list[str]:
    """Return the words of a command line, quoted as in a shell; raises InvalidInput for none and for an open quote."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise InvalidInput(f"the command {command!r} cannot be read: {error}") from None
    if not words:
        raise InvalidInput("the command is empty", hint="Such as: hallway watch --exec 'my-script --loud'")
    return words
