"""Rendering of events."""

from __future__ import annotations

from hallway.cli.terminal import cut
from hallway.core.parties import FIELDS
from hallway.core.schema import encode
from hallway.text.sanitize import clean_json, sanitize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.cli.terminal import Terminal
    from hallway.core.model import Event

EVENT_COLOURS = {"registered": "green", "resumed": "green", "ended": "grey", "expired": "yellow"}


def event(screen: Terminal, each: Event) -> str:
    """Return an event as one line, in local time; ids come last because they are long."""
    at = each.at.astimezone().strftime("%H:%M:%S")
    kind = screen.paint(each.kind.ljust(18), EVENT_COLOURS.get(each.kind.rpartition(".")[2], ""))
    data = " ".join(
        f"{name}={_value(screen, name, value)}"
        for name, value in sorted(each.data.items(), key=lambda item: item[0].endswith(("_id", "_ids")))
        if value is not None
    )
    head = f"{screen.paint(str(each.seq).rjust(6), 'grey')}  {screen.paint(at, 'grey')}  {kind}  "
    body = sanitize(f"{screen.name_of(each.session_id or '-')}  {each.project}  {data}".rstrip())
    width = 6 + 2 + 8 + 2 + max(len(each.kind), 18) + 2
    return head + (body if screen.width is None else cut(body, max(screen.width - width, 20)))


def _value(screen: Terminal, name: str, value: object) -> str:
    if name in FIELDS and isinstance(value, str):
        value = screen.name_of(value)
    elif name in FIELDS and isinstance(value, list):
        value = [screen.name_of(each) if isinstance(each, str) else each for each in value]
    return value if isinstance(value, str) and " " not in value else encode(value)


def event_line(screen: Terminal, each: Event, *, is_json: bool) -> str:
    return clean_json(encode(each)) if is_json else event(screen, each)
