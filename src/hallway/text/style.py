"""Style of sessions, messages and tasks for people: words, glyphs, colours, ages and order, for terminal and page.

Colours are names, not escape codes; the terminal and the page each show them in their own way. For text of other
sessions on a terminal, see `sanitize` (A3).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from typing import Protocol, TypeVar

    class Seen(Protocol):
        """A session or a peer, which `in_order` can sort."""

        @property
        def status(self) -> str: ...

    S = TypeVar("S", bound=Seen)


class Style:
    """The glyph and colour of one word, such as a status, and its meaning for a person."""

    __slots__ = ("colour", "glyph", "meaning")

    def __init__(self, glyph: str, colour: str, meaning: str) -> None:
        self.glyph = glyph
        self.colour = colour
        self.meaning = meaning


# In the order of importance for a person: sessions that wait for a person come first.
STYLES = {
    "waiting": Style("◆", "yellow", "needs a person or an answer"),
    "working": Style("●", "green", "is at work"),
    "active": Style("○", "cyan", "is here"),
    "idle": Style("◌", "blue", "has nothing to do"),
    "offline": Style("×", "grey", "has ended or gone silent"),
}
UNKNOWN = Style("?", "grey", "is something that this hallway does not know")
_RANKS = {status: rank for rank, status in enumerate(STYLES)}

MESSAGE_LOOKS = {
    "ping": Style("·", "grey", "asks how somebody is"),
    "request": Style("?", "yellow", "wants an answer"),
    "response": Style("↩", "green", "is an answer"),
    "broadcast": Style("»", "blue", "goes to everybody"),
    "notification": Style("i", "cyan", "tells something"),
    "task_offer": Style("◇", "yellow", "offers work"),
    "task_accept": Style("●", "green", "takes work"),
    "sync": Style("⇄", "cyan", "brings up to date"),
    "handoff": Style("→", "yellow", "hands work over"),
}
PRIORITY_COLOURS = {"low": "grey", "normal": "", "high": "yellow", "urgent": "red"}
DELIVERY_LOOKS = {
    "acknowledged": Style("✓", "green", "is dealt with"),
    "injected": Style("◐", "cyan", "was taken by the agent's client"),
    "stored": Style("○", "yellow", "is in the inbox"),
    "expired": Style("×", "red", "has expired unread"),
}
REQUEST_LOOKS = {
    "open": Style("○", "yellow", "waits for an answer"),
    "turn_ended": Style("◐", "yellow", "was seen, and the turn ended without an answer"),
    "overdue": Style("!", "red", "was not answered in time"),
    "recipient_gone": Style("×", "red", "has nobody who could answer it"),
    "expired": Style("×", "grey", "has expired without an answer"),
    "answered": Style("✓", "green", "is answered"),
}
TASK_LOOKS = {
    "offered": Style("◇", "yellow", "waits for somebody"),
    "accepted": Style("●", "green", "is somebody's"),
    "completed": Style("✓", "grey", "is done"),
    "cancelled": Style("×", "grey", "was called off"),
}

# Why an item needs a person, with what is said of one that has not said more.
ATTENTION_LOOKS = {
    "permission": Style("◆", "yellow", "asks for a permission"),
    "question": Style("?", "yellow", "asks a question"),
    "request": Style("?", "yellow", "asks you"),
    "conflict": Style("≠", "red", "writes a file that another session writes, too"),
    "overdue": Style("!", "yellow", "has not answered in time"),
    "stuck": Style("●", "red", "is at work, but shows no progress"),
    "urgent": Style("!", "red", "has not read an urgent message"),
    "orphaned": Style("◇", "yellow", "is gone and had this task"),
    "unclaimed": Style("◇", "yellow", "offers a task that nobody has accepted"),
    "finished": Style("✓", "green", "has finished a turn"),
}
LOOSE_MESSAGES = "No message has all of the words. These have some of them:"
LOOSE = "No entry has all of the words. These have some of them:"  # above the results of a search

# The verb that describes a session's part in an event; for an event of no session, what happened. A kind that only a
# newer version writes is shown as it is.
EVENT_WORDS = {
    "session.registered": "is here",
    "session.resumed": "is back",
    "session.moved": "has moved here",
    "session.left": "has moved away",
    "session.updated": "says",
    "session.ended": "has ended",
    "session.expired": "has gone silent",
    "session.renamed": "is now called",
    "session.continued": "goes on for",
    "session.cleared": "offline sessions removed:",
    "message.sent": "sends",
    "message.acknowledged": "dealt with",
    "message.injected": "took",
    "message.expired": "nobody saw, and it has expired:",
    "request.answered": "answers",
    "request.overdue": "has not answered in time:",
    "request.unanswered": "leaves unanswered:",
    "task.offered": "offers",
    "task.accepted": "takes",
    "task.handed_off": "hands over",
    "task.returned": "is back, and has again:",
    "task.continued": "goes on with",
    "task.completed": "has done",
    "task.cancelled": "calls off",
    "task.reoffered": "left, so offered again:",
    "task.handoff_returned": "left, so it stays its owner's:",
    "claim.granted": "claims",
    "claim.queued": "waits to claim",
    "claim.refused": "is refused",
    "claim.released": "releases",
    "claim.expired": "no longer claims",
    "conflict.found": "writes what another session writes, too:",
    "conflict.tried": "merge tried:",
    "conflict.settled": "conflict settled:",
    "memory.set": "remembers",
    "memory.deleted": "forgets",
    "memory.cleared": "forgets",
    "project.moved": "project moved",
    "project.move_undone": "move of a project undone",
    "attention.appeared": "needs attention:",
    "attention.resolved": "needs no attention any more:",
    "attention.dismissed": "is dismissed:",
    "attention.restored": "is back on the list:",
    "attention.answered": "is answered:",
    "retention.pruned": "old records pruned",
    "token.created": "token created",
    "token.imported": "token imported",
    "token.rotated": "token rotated",
    "token.revoked": "token revoked",
    "login.ended": "login ended",
}

# For an empty list: a sentence, and an example command.
EMPTY = {
    "sessions": ("No session is here yet. Connect your coding agents:", "hallway install"),
    "messages": ("Nothing has been said yet. Say something:", "hallway send me s1 'How is it going?' --type request"),
    "tasks": ("No task is open. Offer one:", "hallway task offer me '*' 'mend the login form'"),
    "claims": ("Nothing is claimed. Claim what you change:", "hallway claim 'src/api/**' --intent 'new handlers'"),
    "memory": ("Nothing is remembered here. Remember something:", "hallway memory set me db/port 5432 --type fact"),
    "events": ("Nothing has happened yet. Connect your coding agents:", "hallway install"),
}

UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"))

# Answers to a question with one key or button: the key, the word, and what is written.
QUICK_ANSWERS = (
    ("y", "Yes", "Yes."),
    ("n", "No", "No."),
    ("w", "Wait", "Please wait: I will come back to this."),
)


def style_of(word: str, looks: Mapping[str, Style] = STYLES) -> Style:
    """Return the style of a status or another word; `UNKNOWN` for a word that only a newer version defines."""
    return looks.get(word, UNKNOWN)


def in_order(sessions: Iterable[S]) -> list[S]:
    """Sort sessions for a person: waiting first, offline last; within a status they keep their order."""
    return sorted(sessions, key=lambda each: _RANKS.get(each.status, len(_RANKS)))


def short_project(project: str) -> str:
    """Return the last part of a project's name, which usually distinguishes it."""
    return project.rstrip("/").rpartition("/")[2] or project


def duration(seconds: float) -> str:
    """Return a length of time in its largest unit: 12s, 3m, 2h, 5d; 0s for a negative one (the clocks differ)."""
    whole = max(int(seconds), 0)
    for size, unit in UNITS:
        if whole >= size:
            return f"{whole // size}{unit}"
    return f"{whole}s"


def age(at: datetime, now_s: float) -> str:
    """Return how long ago a time was. `now_s` is passed in, so that all rows of a table use the same current time."""
    return duration(now_s - at.timestamp())


def size(size_bytes: int) -> str:
    """Return a number of bytes in its largest unit: 512 B, 40 KB, 1.2 GB."""
    if size_bytes < 1024:
        return f"{size_bytes} B"
    amount, units = float(size_bytes), iter(("KB", "MB", "GB", "TB"))
    unit = ""
    while amount >= 1024 and (following := next(units, None)):
        amount, unit = amount / 1024, following
    return f"{amount:.1f} {unit}" if amount < 10 else f"{amount:.0f} {unit}"
