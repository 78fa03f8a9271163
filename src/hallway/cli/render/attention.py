"""Rendering of the list of what needs a person."""

from __future__ import annotations

import os

from hallway.cli.render.parts import next_page
from hallway.cli.terminal import Column, table
from hallway.core.short_ids import id_length
from hallway.text.sanitize import sanitize
from hallway.text.style import ATTENTION_LOOKS, age, short_project, style_of
from hallway.text.terminal_place import way_to_terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.cli.render.parts import Renderer
    from hallway.cli.terminal import Terminal
    from hallway.core.model import Attention, AttentionItem, AttentionReply

MIN_ID = 4
URGENT = "‼"  # the glyph of what is urgent
WIDE = 100  # cells of a screen that has room for the client and the branch
NARROW = 70  # and of one that has no room for the project


def kind_cell(item: AttentionItem) -> str:
    return f"{URGENT if item.is_urgent else style_of(item.kind, ATTENTION_LOOKS).glyph} {item.kind}"


def colour_of_kind(cell: str) -> str:
    glyph, _, kind = cell.partition(" ")
    return "red" if glyph == URGENT else style_of(kind, ATTENTION_LOOKS).colour


ITEM = Column("ITEM")
KIND = Column("KIND", colour_of=colour_of_kind)
WHO = Column("WHO", least=12)
WHAT = Column("WHAT", least=16, is_precious=True)
CLIENT = Column("CLIENT", drop=3, least=5)
PROJECT = Column("PROJECT", drop=2, least=8)
BRANCH = Column("BRANCH", drop=4, least=6)
SINCE = Column("SINCE", drop=1)


def items(screen: Terminal, page: list[AttentionItem], *, has_project: bool = True, indent: str = "") -> list[str]:
    """Return a table of items; each is named by as much of its id as tells it from the others."""
    width = screen.width or WIDE
    length = id_length([each.item_id for each in page], MIN_ID)
    rows = [
        (
            each.item_id[:length] if screen.has_ids else "",
            kind_cell(each),
            each.name,
            what_of(screen, each),
            each.client or "" if width >= WIDE else "",
            short_project(each.project) if has_project and width >= NARROW else "",
            each.branch or "" if width >= WIDE else "",
            age(each.since, screen.now_s),
        )
        for each in page
    ]
    return table(screen, (ITEM, KIND, WHO, WHAT, CLIENT, PROJECT, BRANCH, SINCE), rows, indent=indent) if rows else []


def what_of(screen: Terminal, item: AttentionItem) -> str:
    """Return what an item is about, after its state unless it is open."""
    what = item.what or style_of(item.kind, ATTENTION_LOOKS).meaning
    if item.state == "open":
        return what
    more = ", not yet picked up" if item.state == "answered" else ""
    return f"({item.state} {age(item.state_since, screen.now_s)} ago{more}) {what}"


def attention(screen: Terminal, page: Attention, arguments: dict[str, Any]) -> list[str]:
    """Return the list, the most important first."""
    if not page.items:
        return ["Nothing fits." if arguments.get("project") or arguments.get("person") else "All clear."]
    lines = items(screen, page.items, has_project=not arguments.get("project"))
    return [*lines, *next_page(page.items, arguments, "after-id", page.items[-1].item_id)]


def item_line(screen: Terminal, item: AttentionItem, arguments: dict[str, Any]) -> list[str]:
    """Return an item as one line, shown after a change of it, with the command that undoes a dismissal."""
    kind = screen.paint(kind_cell(item), colour_of_kind(kind_cell(item)))
    line = f"{kind}  {sanitize(item.name)}: {sanitize(item.what or style_of(item.kind, ATTENTION_LOOKS).meaning)}"
    if item.state == "dismissed":
        return [f"Dismissed {line}", f"To undo it: hallway dismiss --undo {item.item_id[:8]}"]
    return [f"Back on the list: {line}"]


def reply(screen: Terminal, sent: AttentionReply, arguments: dict[str, Any]) -> list[str]:
    """Return what is known about a message that was just sent about an item."""
    name = sanitize(sent.item.name)
    where = f", who is {sanitize(sent.recipient_status)}" if sent.recipient_status else ""
    lines = [f"Sent to {name}{where}. It has not picked it up yet."]
    if sent.recipient_status == "offline":
        lines = [f"Sent to {name}, who is offline: it waits until {name} is back."]
    if sent.held_back:
        lines.append(screen.paint(f"It does not wake {name}: {sent.held_back}.", "yellow"))
    if sent.item.kind == "question" and (way := way_to_terminal(sent.item.terminal, os.environ)):
        lines.append(f"A dialog that is open there takes no message; answer it in its terminal: {way}")
    return lines


RENDERERS: dict[str, Renderer] = {
    "Attention": attention,
    "AttentionItem": item_line,
    "AttentionReply": reply,
}
