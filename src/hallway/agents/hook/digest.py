"""What is new on the bus for a session, in at most a kilobyte, with the ids by which its agent fetches the rest (A2).

It quotes what other sessions wrote (A3), under a line that says who wrote it. It only reads the bus: once the client
has the digest, the caller marks its messages (`message_ids`) and remembers the last event that it covers (`last_seq`).
"""

from __future__ import annotations

from hallway.core.naming import MAX_NAME
from hallway.services.conflicts import as_seen_by
from hallway.text.framing import DIGEST_NOTE, frame_line, in_quotes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.bus.base import Bus
    from hallway.core.model import ActiveSession, FileConflict, Message

MAX_SIZE = 1024
MESSAGES_LOOKED_AT = 50
PEERS_SHOWN = 5
EVENTS_LOOKED_AT = 100
CONFLICTS_SHOWN = 3
MAX_PATH = 80
MAX_TASK = 60
MAX_TEXT = 120
PRESENCE_EVENTS = {
    "session.registered": "came",
    "session.resumed": "came",
    "session.moved": "came",
    "session.ended": "left",
    "session.expired": "left",
    "session.left": "left",
}
HEAD = "hallway, the bus your session shares with others."
MORE = "Read with hallway's inbox tool, answer with its reply tool and the id."


class Digest:
    """One look at what is new; `words` is empty when nothing is."""

    __slots__ = ("has_more", "last_seq", "message_ids", "words")

    def __init__(
        self,
        bus: Bus,
        session_id: str,
        last_seq: int,
        *,
        project: str,
        is_start: bool,
        has_messages: bool = True,
        except_ids: list[str],
    ) -> None:
        self.last_seq = bus.events.last_seq()
        new = bus.messages.inbox(session_id, limit=MESSAGES_LOOKED_AT, new_only=True) if has_messages else []
        messages = _urgent_first([each for each in new if each.message_id not in except_ids])
        peers = _others(bus, session_id, project) if is_start else []
        has_news = -1 < last_seq < self.last_seq
        news = _presence_changes(bus, session_id, project, last_seq) if has_news and not is_start else []
        conflicts = _new_conflicts(bus, session_id, last_seq) if has_news or is_start else []
        lines = [(line, "") for line in conflicts]
        lines += message_lines(bus, messages)
        lines += [(line, "") for line in (*peers, *news)]
        self.words, self.message_ids = compose(lines, has_messages=bool(messages)) if lines else ("", [])
        self.has_more = len(self.message_ids) < len(messages)  # the next hook shows them


def compose(lines: list[tuple[str, str]], *, head: str = HEAD, has_messages: bool = False) -> tuple[str, list[str]]:
    """Return a digest of as many lines as fit under a heading that counts the rest, and the ids of the messages in
    it.
    """
    tail = [MORE] if has_messages else []
    first = f"{head} {DIGEST_NOTE}"
    room = MAX_SIZE - sum(_size(line) for line in (first, *tail)) - _size("… and 100 more.")
    kept: list[str] = []
    message_ids: list[str] = []
    for line, message_id in lines:
        if _size(line) > room and not kept:
            line = line.encode()[: room - 8].decode(errors="ignore") + '…"'  # of a sender with the longest name
        if _size(line) > room:
            break
        room -= _size(line)
        kept.append(line)
        message_ids += [message_id] if message_id else []
    left = len(lines) - len(kept)
    return "\n".join((first, *kept, *([f"… and {left} more."] if left else []), *tail)), message_ids


def message_lines(bus: Bus, messages: list[Message]) -> list[tuple[str, str]]:
    """Return a line of a digest for each message, with the message's id. A sender has the name it can be written to."""
    names = bus.sessions.names_in([each.from_session for each in messages])
    return [
        (_message_line(each, names.get(each.from_session, each.from_session)), each.message_id) for each in messages
    ]


def _message_line(message: Message, sender: str) -> str:
    kind = f"urgent {message.type}" if message.priority == "urgent" else message.type
    starts_alike = message.body.startswith(message.subject)
    text = message.body if starts_alike else f"{message.subject}: {message.body}" if message.body else message.subject
    return f"- {kind} {message.message_id} {frame_line(sender, text, MAX_TEXT)}"


def _new_conflicts(bus: Bus, session_id: str, last_seq: int) -> list[str]:
    """Return lines about the session's conflicts that were found since the last digest (C3)."""
    conflicts = [as_seen_by(session_id, each) for each in bus.conflicts.find(session_id=session_id)]
    new = [each for each in conflicts if each.seq > last_seq]
    lines = [_conflict_line(each) for each in new[:CONFLICTS_SHOWN]]
    left = len(new) - len(lines)
    return [*lines, *([f"- and {left} more conflicts: hallway conflicts"] if left else [])]


def _conflict_line(conflict: FileConflict) -> str:
    file, other = in_quotes(conflict.subject, MAX_PATH), in_quotes(conflict.name or conflict.session_id, MAX_NAME)
    branch = f" on {in_quotes(conflict.branch, MAX_NAME)}" if conflict.branch else ""
    return f"- conflict with {other}{branch} over {file}: {conflict.detail}"


def _urgent_first(messages: list[Message]) -> list[Message]:
    return sorted(messages, key=lambda each: each.priority != "urgent")


def _others(bus: Bus, session_id: str, project: str) -> list[str]:
    """Return lines about the sessions that are here when a session begins."""
    answer = bus.sessions.active(project, limit=PEERS_SHOWN + 1)
    others = [peer for peer in answer.sessions if peer.session_id != session_id][:PEERS_SHOWN]
    left = answer.total - 1 - len(others)
    return [_peer_line(peer) for peer in others] + ([f"- here: {left} others"] if others and left > 0 else [])


def _peer_line(peer: ActiveSession) -> str:
    task = f" on {in_quotes(peer.current_task, MAX_TASK)}" if peer.current_task else ""
    reason = f" ({peer.reason})" if peer.reason else ""
    return f"- here, {peer.status}{reason}: {in_quotes(peer.name, MAX_NAME)} ({in_quotes(peer.agent_name, 40)}){task}"


def _presence_changes(bus: Bus, session_id: str, project: str, last_seq: int) -> list[str]:
    """Return lines about the sessions that came or left since the last digest; of each session its last change."""
    events = bus.events.read(last_seq, project=project, kinds=list(PRESENCE_EVENTS), limit=EVENTS_LOOKED_AT)
    last = {
        event.session_id: PRESENCE_EVENTS[event.kind]
        for event in events
        if event.session_id and event.session_id != session_id
    }
    names = bus.sessions.names_in(list(last))
    return [f"- {did}: {in_quotes(names.get(who, who), 80)}" for who, did in last.items()]


def _size(line: str) -> int:
    return len(line.encode("utf-8", "replace")) + 1
