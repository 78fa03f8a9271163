"""Rendering of messages: an inbox, a history, a thread as a tree, and the delivery state of each recipient."""

from __future__ import annotations

from hallway.cli.render.parts import first_few, flow, how_many, indented, next_page, when_short
from hallway.cli.terminal import Column, table, wrap
from hallway.core.model import EVERYBODY, GROUPS, UNANSWERED_STATES
from hallway.core.schema import encode
from hallway.text.sanitize import sanitize
from hallway.text.style import (
    DELIVERY_LOOKS,
    LOOSE_MESSAGES,
    MESSAGE_LOOKS,
    PRIORITY_COLOURS,
    REQUEST_LOOKS,
    age,
    duration,
    style_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from hallway.cli.render.parts import Renderer
    from hallway.cli.terminal import Terminal
    from hallway.core.model import Delivery, Message, MessageHit, Receipt, Thread

DEEPEST = 8  # levels of indentation in a thread; deeper replies are not indented further
LEVEL = "    "
MIN_TEXT = 32  # the cells that are left to a message where the terminal is narrow

TYPE = Column("TYPE", drop=1, colour_of=lambda cell: style_of(cell.partition(" ")[2], MESSAGE_LOOKS).colour)
FROM = Column("FROM", least=8)
TO = Column("TO", drop=2, least=8)
PRIORITY = Column("PRIORITY", drop=4, colour_of=lambda cell: PRIORITY_COLOURS.get(cell, ""))
SUBJECT = Column("SUBJECT", least=16)
AGE = Column("AGE", drop=3)
MESSAGE = Column("MESSAGE")
RECIPIENT = Column("RECIPIENT", least=8)
STATE = Column("STATE", colour_of=lambda cell: style_of(cell.partition(" ")[2], DELIVERY_LOOKS).colour)


def receipt(screen: Terminal, sent: Receipt, arguments: dict[str, Any]) -> list[str]:
    """Return what is known about a message just sent: its recipients, and whether they are offline."""
    to_session = arguments.get("to_session", EVERYBODY if "to_message" not in arguments else "")
    before = "It was sent before, under the same key: " if sent.is_repeat else "Sent "
    lines = [f"{before}{sanitize(sent.message_id)} {_whom(sent, to_session)}"]
    if sent.recipient_status == "offline":
        name = sanitize(to_session) or "The other"
        lines += indented(
            screen, f"{name} is offline: it waits until {sanitize(to_session) or 'it'} is back.", "", "yellow"
        )
    elif not sent.recipients:
        lines += indented(screen, "Nobody else is here: who joins later reads it in the history.", "", "yellow")
    if sent.held_back:
        lines += indented(screen, f"It does not wake {sanitize(to_session) or 'it'}: {sent.held_back}.", "", "yellow")
    return lines


def _whom(sent: Receipt, to_session: str) -> str:
    if to_session == EVERYBODY:
        return f"to {how_many(sent.recipients, 'session')}"
    if to_session.startswith(GROUPS):
        return f"to {how_many(sent.recipients, 'session')} with {sanitize(to_session)}"
    status = f", who is {sanitize(sent.recipient_status)}" if sent.recipient_status not in (None, "offline") else ""
    return f"to {sanitize(to_session)}{status}" if to_session else f"in the thread {sanitize(sent.thread_id)}"


def inbox(screen: Terminal, messages: list[Message], arguments: dict[str, Any]) -> list[str]:
    """Return each message in full, oldest first, and the command that acknowledges them."""
    whose = sanitize(arguments["session_id"])
    if not messages:
        return [f"Nothing is in the inbox of {whose}."]
    lines = [line for each in messages for line in (*message(screen, each), "")]
    return [
        *lines,
        *next_page(messages, arguments, "after", messages[-1].seq),
        f"Dealt with? hallway inbox {whose} --ack",
    ]


def acknowledged(screen: Terminal, messages: list[Message], arguments: dict[str, Any]) -> list[str]:
    """Return the inbox for `hallway inbox --ack`, without the hint to acknowledge it."""
    return inbox(screen, messages, arguments)[: -1 if messages else None]


def replies(screen: Terminal, messages: list[Message], arguments: dict[str, Any]) -> list[str]:
    """Return each reply in full, oldest first."""
    if not messages:
        return [f"There is no reply to {sanitize(arguments['message_id'])} yet."]
    return [line for each in messages for line in (*message(screen, each), "")][:-1]


def message(screen: Terminal, each: Message, *, indent: str = "", arrow: str = "") -> list[str]:
    """Return one message: sender → recipient, then the subject, then the body."""
    seen = style_of(each.type, MESSAGE_LOOKS)
    head = [
        (f"{seen.glyph} {each.type}", seen.colour),
        (f"{screen.name_of(each.from_session)} → {screen.name_of(each.to_session)}", "bold"),
        (each.priority if each.priority != "normal" else "", PRIORITY_COLOURS.get(each.priority, "")),
        (when_short(screen, each.sent_at), "grey"),
        (each.message_id if screen.has_ids else "", "grey"),
    ]
    below = indent + " " * len(arrow) + "  "
    lines = flow(screen, head, first=indent + arrow, rest=below)
    lines += indented(screen, each.subject, below, "bold")
    body = _without(each.subject, each.body.strip("\n"))
    lines += indented(screen, body, below + "  ") if body else []
    for name, value in _facts(screen, each):
        lines += indented(screen, sanitize(f"{name}: {value}"), below, "grey")
    return lines


def _without(subject: str, body: str) -> str:
    """Return the body without a first line that repeats the subject."""
    first, _, rest = body.partition("\n")
    return rest.strip("\n") if " ".join(first.split())[:200] == subject else body


def _facts(screen: Terminal, each: Message) -> Iterator[tuple[str, str]]:
    data = {name: value for name, value in each.data.items() if name != "task_id"}
    if data:
        yield "data", encode(data)
    if each.task_id and each.task_id not in (each.message_id, each.thread_id):
        yield "task", each.task_id
    if each.expires_at:
        yield "expires", f"in {duration(each.expires_at.timestamp() - screen.now_s)}"
    if each.reply_by and (left_s := each.reply_by.timestamp() - screen.now_s) > 0:
        yield "reply", f"within {duration(left_s)}"


def history(screen: Terminal, messages: list[Message], arguments: dict[str, Any]) -> list[str]:
    """Return a line for each message."""
    if not messages:
        return [f"No message of this kind was ever sent to {sanitize(arguments['session_id'])}."]
    rows = [
        (
            f"{style_of(each.type, MESSAGE_LOOKS).glyph} {each.type}",
            screen.name_of(each.from_session),
            screen.name_of(each.to_session),
            each.priority if each.priority != "normal" else "",
            each.subject,
            age(each.sent_at, screen.now_s),
            each.message_id,
        )
        for each in messages
    ]
    lines = table(screen, (TYPE, FROM, TO, PRIORITY, SUBJECT, AGE, MESSAGE), rows)
    is_forward = arguments.get("after") is not None
    name, seq = ("after", messages[-1].seq) if is_forward else ("before", messages[0].seq)
    return [*lines, *next_page(messages, arguments, name, seq), "The whole of one: hallway thread MESSAGE"]


def thread(screen: Terminal, conversation: Thread, arguments: dict[str, Any]) -> list[str]:
    """Return a thread as a tree of replies, each message with its delivery states."""
    message_ids = {each.message_id for each in conversation.messages}
    states: dict[str, list[Delivery]] = {}
    for each in conversation.deliveries:
        states.setdefault(each.message_id, []).append(each)
    replies: dict[str | None, list[Message]] = {}
    for each_message in conversation.messages:
        parent = each_message.in_reply_to
        replies.setdefault(parent if parent in message_ids else None, []).append(each_message)
    lines: list[str] = []
    printed: set[str] = set()
    # Imported messages may answer each other in a circle, which no first message leads to: it begins at its oldest.
    for first in [*replies.get(None, []), *conversation.messages]:
        waiting = [(first, 0)]
        while waiting:
            each_message, depth = waiting.pop()
            if each_message.message_id in printed:
                continue
            printed.add(each_message.message_id)
            lines += _in_thread(screen, each_message, depth, states.get(each_message.message_id, []))
            waiting += [(reply, depth + 1) for reply in reversed(replies.get(each_message.message_id, []))]
    return [
        *lines,
        *next_page(
            conversation.messages, arguments, "after", conversation.messages[-1].seq if conversation.messages else 0
        ),
    ]


def _in_thread(screen: Terminal, each: Message, depth: int, states: list[Delivery]) -> list[str]:
    deepest = DEEPEST if screen.width is None else min(DEEPEST, max(screen.width - MIN_TEXT, 0) // len(LEVEL))
    indent, arrow = LEVEL * min(max(depth - 1, 0), deepest), "  ↳ " if depth else ""
    below = indent + " " * len(arrow) + "  "
    if states and states[0].request_state not in UNANSWERED_STATES:
        each = each.replace(reply_by=None)  # which no longer matters
    lines = message(screen, each, indent=indent, arrow=arrow)
    if each.in_reply_to and not depth:
        lines[1:1] = indented(screen, sanitize(f"answers {each.in_reply_to}, which is not here"), below, "grey")
    return [*lines, *_states(screen, states, below)]


def _states(screen: Terminal, states: list[Delivery], indent: str) -> Iterator[str]:
    """Yield each delivery state that occurs, with the first few recipients in this state."""
    for state, seen in DELIVERY_LOOKS.items():
        names = [screen.name_of(each.recipient) for each in states if each.state == state]
        if names:
            label = f"{seen.glyph} {state}"
            first, *rest = indented(screen, f"{label}: {first_few(names)}", indent)
            yield first.replace(label, screen.paint(label, seen.colour), 1)
            yield from rest
    yield from _request_state(screen, states, indent)
    yield from _held_back(screen, states, indent)


def _request_state(screen: Terminal, states: list[Delivery], indent: str = "") -> Iterator[str]:
    """Yield how a request stands, unless its reply or the lack of one says so."""
    state = states[0].request_state if states else None
    if state not in (None, "open", "answered"):
        seen = style_of(str(state), REQUEST_LOOKS)
        yield from indented(screen, f"{seen.glyph} It {seen.meaning}.", indent, seen.colour)


def _held_back(screen: Terminal, states: list[Delivery], indent: str = "") -> Iterator[str]:
    for each in states:
        if each.held_back:
            text = sanitize(f"It does not wake {screen.name_of(each.recipient)}: {each.held_back}.")
            yield from indented(screen, text, indent, "yellow")


def deliveries(screen: Terminal, states: list[Delivery], arguments: dict[str, Any]) -> list[str]:
    """Return the delivery state of a message for each recipient, and how long ago it was reached."""
    if not states:
        return ["It had no recipients."]
    rows = [
        (
            screen.name_of(each.recipient),
            f"{style_of(each.state, DELIVERY_LOOKS).glyph} {each.state}",
            age(each.acknowledged_at or each.injected_at or each.stored_at, screen.now_s),
        )
        for each in states
    ]
    lines = [*table(screen, (RECIPIENT, STATE, AGE), rows), *_request_state(screen, states)]
    lines += _held_back(screen, states)
    return [*lines, *next_page(states, arguments, "after-id", states[-1].recipient)]


def taken_out(screen: Terminal, count: int, arguments: dict[str, Any]) -> list[str]:
    return [f"Acknowledged {how_many(count, 'message')}."]


def findings(screen: Terminal, hits: list[MessageHit], arguments: dict[str, Any]) -> list[str]:
    """Return who wrote to whom and a line of text for each message found, and the command that shows its thread."""
    if not hits:
        return ["No matching messages."]
    lines = [LOOSE_MESSAGES] if any(each.is_loose for each in hits) else []
    for each in hits:
        whom = f"{screen.name_of(each.from_session)} → {screen.name_of(each.to_session)}"
        facts = [when_short(screen, each.sent_at), each.message_id]
        lines += flow(screen, [(whom, "bold"), *((fact, "grey") for fact in facts)])
        lines += [f"  {screen.paint_marked(line)}" for line in wrap(each.line, screen.width and screen.width - 2)]
    return [
        *lines,
        *next_page(hits, arguments, "after", f"'{hits[-1].cursor}'"),
        "A whole conversation: hallway thread MESSAGE",
    ]


RENDERERS: dict[str, Renderer] = {
    "Receipt": receipt,
    "Thread": thread,
    "inbox": inbox,
    "replies": replies,
    "inbox --ack": acknowledged,
    "get_messages": history,
    "deliveries": deliveries,
    "list[MessageHit]": findings,
    "acknowledge": taken_out,
}
