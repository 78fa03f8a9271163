"""The texts of `hallway --help`: the list of commands, in groups, and the description of each command."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hallway.cli.labels import label
from hallway.cli.run import operations

if TYPE_CHECKING:
    from hallway.core.operation import Operation

PLUMBING = "For agents and scripts"
GROUPS: dict[str, dict[str, str]] = {
    "Everyday": {
        "list": "who is here, and on what",
        "show": "everything about one session",
        "attention": "what needs you, the most important first",
        "answer": "answer an item that needs you",
        "dismiss": "take an item off that list",
        "nudge": "remind whoever an item waits for",
        "rename": "call a session by another name",
        "top": "the attention list, sessions and their work on one live screen",
        "watch": "follow what happens, until Ctrl-C",
        "notify": "be told of what needs you, wherever you are",
        "stats": "the bus in numbers",
        "open": "open the page in the browser",
    },
    "Messages": {
        "send": "write to a session, a person, or several",
        "broadcast": "write to every session of the project",
        "inbox": "what waits to be read",
        "reply": "answer a message",
        "thread": "a message and all its replies",
        "messages": "what somebody was sent, read or not",
        "search": "find messages by their words",
        "requests": "who waits for whose answer, and until when",
        "ack": "take messages out of an inbox",
        "replies": "the replies to a message",
        "deliveries": "how far a message has come, for each recipient",
    },
    "Tasks and memory": {
        "task": "offer, accept, hand over and complete tasks",
        "memory": "what the project's sessions remember",
    },
    "Claims": {
        "claim": "claim files, so that others work elsewhere",
        "claims": "who holds and who waits for what",
        "release": "end claims",
        "conflicts": "files that two sessions write",
        "guard": "refuse a commit of what another session has claimed",
    },
    "The same, by noun": {
        "session": "session list, show, rename, end …",
        "message": "message send, list, reply, thread …",
    },
    "Setup": {
        "install": "connect the coding agents of this machine",
        "demo": "a tour with three scripted sessions, on a bus of its own",
        "try": "two of your agents talk, if you agree",
        "doctor": "check the installation, and say what to type",
        "uninstall": "undo the installation",
        "use": "choose the bus or hub that commands use",
        "completion": "completion of commands for your shell",
    },
    "Hub and administration": {
        "serve": "serve this bus to other programs and machines",
        "login": "use a hub with a token",
        "logout": "forget the token of a hub",
        "whoami": "who you are on the bus",
        "token": "tokens and logins of a hub",
        "project": "move records to another project",
        "prune": "remove what is old",
        "clear-offline": "forget sessions that have ended",
        "backup": "copy the bus while it is in use",
        "export": "write the bus as lines of JSON",
        "import": "read such lines",
    },
    PLUMBING: {
        "register": "put a session on the bus",
        "heartbeat": "say that a session is alive, and what it does",
        "status": "say what a session does",
        "ping": "keep a session alive",
        "continue": "go on for another session",
        "end": "end a session",
        "mcp": "serve the bus to an agent",
        "hook": "what the agents' hooks run",
        "complete": "what the shells' completion asks for",
        "beacon": "write the project's .STATUS file",
    },
}
PROMISES = re.compile(r"\s?\([A-Z]\d+(?:, [A-Z]\d+)*\)")
IN_PYTHON = re.compile(r"\s?\bIn Python,[^.]*\.")
ANSWER = re.compile(r"(?<![^.;:\s]\s)\b(R|r)eturn(s?)\b")  # what a method returns, a command shows
EXCEPTION = re.compile(r"[,;:]? ?\b[Rr]aises [A-Z][^.]*(?:\.(?=\S)[^.]*)*")
LEFT_OVER = re.compile(r"(?:(?<=\.)|^)[ \n]?\.", re.MULTILINE)  # the full stop of a sentence that was removed
CODE = re.compile(r"`([^`]*)`")


def command_groups(*, has_plumbing: bool) -> str:
    """Return the commands in their groups, a line each; those that agents and scripts run only if asked for."""
    longest = max(len(name) for commands in GROUPS.values() for name in commands)
    lines = []
    for title, commands in GROUPS.items():
        if title != PLUMBING or has_plumbing:
            lines += [f"{title}:", *(f"  {name.ljust(longest)}  {about}" for name, about in commands.items()), ""]
    return "\n".join(lines)


def described(docstring: str | None, operation: Operation | None = None) -> str:
    """Return a docstring as the help of a command: without Python, exceptions and promise ids, in the words to type."""
    text = "\n".join(line.strip() for line in (docstring or "").strip().splitlines())
    text = IN_PYTHON.sub("", EXCEPTION.sub("", PROMISES.sub("", text)))
    text = LEFT_OVER.sub("", text)
    text = ANSWER.sub(lambda match: f"{'Show' if match[1] == 'R' else 'show'}{match[2]}", text)
    return CODE.sub(lambda match: _typed(match[1], operation), text).strip()


def _typed(code: str, operation: Operation | None) -> str:
    """Return the name of a parameter, or of an operation of the same noun, as a person types it."""
    if operation is None:
        return code
    verbs = {each.name: each.verb for each in operations().values()}
    verb = verbs.get(f"{operation.noun}.{code}")
    return label(operation, code) if code in operation.parameters else f"hallway {verb}" if verb else code
