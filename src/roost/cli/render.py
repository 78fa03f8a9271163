"""Results as people read them; `--json` is the result itself, exactly as HTTP gives it.

`RENDERERS` has one function for each kind of result, `BY_OPERATION` for the few operations whose result reads better
otherwise; a noun that joins adds its own. Light: the heartbeat's fast path imports it.
"""

from __future__ import annotations

from roost.cli.screen import Column, cut, table
from roost.schema import encode
from roost.view import age, clean, clean_json, duration, in_order, look

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from typing import Any

    from roost.cli.screen import Screen
    from roost.errors import RoostError
    from roost.model import Event, Finding, Heartbeat, MemoryEntry, Peer, Session, Stats
    from roost.operation import Operation
    from roost.transfer import Imported

    Renderer = Callable[[Screen, Any, dict[str, Any]], Iterable[str]]


def show(screen: Screen, operation: Operation, result: Any, arguments: dict[str, Any], *, is_json: bool) -> None:
    """Write an operation's result."""
    if is_json:
        screen.write(clean_json(encode(result)))
        return
    kind, is_list = operation.returns
    name = f"list[{kind.__name__}]" if is_list else kind.__name__
    render = BY_OPERATION.get(operation.name) or RENDERERS.get(name) or _plain
    screen.write(*render(screen, result, arguments))


def show_error(screen: Screen, error: RoostError, *, is_json: bool) -> None:
    """Write an error: what is true, and the next thing to type."""
    if is_json:
        screen.write(clean_json(encode(error.to_dict())))
        return
    hint = [f"{screen.paint('hint:', 'cyan')} {clean(error.hint)}"] if error.hint else []
    screen.write(f"{screen.paint('roost:', 'red')} {clean(error.message)}", *hint)


# -- sessions ---------------------------------------------------------------------------------------------------------


def _status(status: str) -> str:
    return f"{look(status).glyph} {status}"


def _colour_of_status(cell: str) -> str:
    return look(cell.partition(" ")[2]).colour


STATUS = Column("STATUS", colour_of=_colour_of_status)
ID = Column("ID", least=8, is_precious=True)
NAME = Column("NAME", least=8)
TYPE = Column("TYPE", least=6)
USER = Column("USER", least=5)
PROJECT = Column("PROJECT", least=10, is_cut_left=True)
BRANCH = Column("BRANCH", least=8)
TASK = Column("TASK", least=12)
SEEN = Column("SEEN")


def heartbeat(screen: Screen, beat: Heartbeat, arguments: dict[str, Any]) -> list[str]:
    """Who is here besides, and what waits for this session, in a few lines."""
    own = screen.paint(_status(beat.status), look(beat.status).colour)
    lines = [f"{own}  {clean(beat.session_id)} in {clean(beat.project)}"]
    if beat.unread:
        lines.append(screen.paint(_count(beat.unread, "unread message"), "yellow"))
    lines += [
        screen.paint(f"conflict: {each.kind} on {each.subject} with {each.session_id}: {each.detail}", "red")
        for each in beat.conflicts
    ]
    if not beat.others_total:
        return [*lines, "Nobody else is here."]
    more = beat.others_total - len(beat.others)
    rest = [f"and {more} more"] if more > 0 else []
    return [*lines, f"{_count(beat.others_total, 'other')} here:", *_peers(screen, beat.others), *rest]


def _peers(screen: Screen, peers: list[Peer]) -> list[str]:
    rows = [
        (_status(each.status), each.session_id, each.agent_name, each.agent_type, each.human_user or "",
         each.branch or "", each.current_task or "", duration(each.silent_s))
        for each in in_order(peers)
    ]  # fmt: skip
    return table(screen, (STATUS, ID, NAME, TYPE, USER, BRANCH, TASK, SEEN), rows) if rows else []


def sessions(screen: Screen, found: list[Session], arguments: dict[str, Any]) -> list[str]:
    """A table of sessions, who needs a person first; where nobody is, what to type."""
    if not found:
        return _nobody(arguments)
    rows = [
        (_status(each.status), each.session_id, each.agent_name, each.agent_type, each.human_user or "",
         "" if arguments.get("project") else each.project, each.branch or "", each.current_task or "",
         age(each.ended_at or each.last_seen, screen.now_s))
        for each in in_order(sorted(found, key=lambda session: session.last_seen, reverse=True))
    ]  # fmt: skip
    lines = table(screen, (STATUS, ID, NAME, TYPE, USER, PROJECT, BRANCH, TASK, SEEN), rows)
    if len(found) == arguments.get("limit"):
        lines.append(f"These are {len(found)}; the next ones: add --after-id {clean(found[-1].session_id)}")
    return lines


FILTERS = ("project", "status", "agent_type", "human_user", "capability", "after_id")


def _nobody(arguments: dict[str, Any]) -> list[str]:
    if any(arguments.get(name) for name in FILTERS):
        return ["No session fits. Everybody: roost list --all"]
    gone = [] if arguments.get("include_offline") else ["Those that have ended: roost list --all"]
    return ["Nobody is here. Register a session:", "  roost register s1 'my first session' claude-code", *gone]


def session(screen: Screen, each: Session, arguments: dict[str, Any]) -> list[str]:
    """Everything about one session, a line for each thing that is there."""
    meaning = look(each.status).meaning
    facts = {
        "name": each.agent_name,
        "type": each.agent_type,
        "status": f"{_status(each.status)} ({meaning})",
        "task": each.current_task,
        "project": each.project,
        "branch": each.branch,
        "user": each.human_user,
        "location": each.location,
        "capabilities": ", ".join(each.capabilities),
        "detail": None if each.status_detail is None else encode(each.status_detail),
        "metadata": encode(each.metadata) if each.metadata else None,
        "started": _moment(screen, each.started_at),
        "seen": f"{_moment(screen, each.last_seen)}, offline after {duration(each.ttl_s)} of silence",
        "ended": f"{_moment(screen, each.ended_at)}: {each.end_reason}" if each.ended_at else None,
    }
    return [screen.paint(each.session_id, "bold"), *_facts(screen, facts.items(), status=look(each.status).colour)]


def session_line(screen: Screen, each: Session, arguments: dict[str, Any]) -> list[str]:
    """One session in one line: what a change of it answers."""
    task = f": {clean(each.current_task)}" if each.current_task else ""
    status = screen.paint(_status(each.status), look(each.status).colour)
    return [f"{status}  {clean(each.session_id)} ({clean(each.agent_name)}) in {clean(each.project)}{task}"]


def cleared(screen: Screen, count: int, arguments: dict[str, Any]) -> list[str]:
    return [f"Forgot {_count(count, 'session')}."]


# -- memory -----------------------------------------------------------------------------------------------------------

KEY = Column("KEY", least=12, is_precious=True)
VERSION = Column("V")
AUTHOR = Column("BY", least=6)
AGE = Column("AGE")
LINE = Column("", least=20)
VALUE = Column("VALUE", least=20)


def findings(screen: Screen, found: list[Finding], arguments: dict[str, Any]) -> list[str]:
    """A line of each entry that was found, and how to see the whole of one."""
    if not found:
        return ["Nothing of this is remembered."]
    rows = [
        (each.key, each.type, str(each.version), each.session_id, age(each.created_at, screen.now_s), each.line)
        for each in found
    ]
    lines = table(screen, (KEY, TYPE, VERSION, AUTHOR, AGE, LINE), rows)
    if len(found) == arguments.get("limit"):
        lines.append(f"These are {len(found)}; the next ones: add --after '{clean(found[-1].cursor)}'")
    return [*lines, "The whole of one: roost memory get KEY"]


def entry(screen: Screen, each: MemoryEntry, arguments: dict[str, Any]) -> list[str]:
    """An entry's value, below what is known of it."""
    facts = {
        "type": each.type,
        "tags": ", ".join(each.tags),
        "version": f"{each.version} by {each.session_id}, {_moment(screen, each.created_at)}",
        "expires": f"in {duration(each.expires_at.timestamp() - screen.now_s)}" if each.expires_at else None,
        "metadata": encode(each.metadata) if each.metadata else None,
    }
    value = each.value if isinstance(each.value, str) else encode(each.value)
    return [screen.paint(each.key, "bold"), *_facts(screen, facts.items()), "", *map(clean, value.splitlines() or [""])]


def history(screen: Screen, found: list[MemoryEntry], arguments: dict[str, Any]) -> list[str]:
    """The versions of a key, newest first, a line each."""
    rows = [
        (str(each.version), each.type, each.session_id, age(each.created_at, screen.now_s), encode(each.value))
        for each in found
    ]
    return table(screen, (VERSION, TYPE, AUTHOR, AGE, VALUE), rows) if rows else ["Nothing is remembered under it."]


def remembered(screen: Screen, each: MemoryEntry, arguments: dict[str, Any]) -> list[str]:
    return [f"{clean(each.key)} is at version {each.version} in {clean(each.project)}"]


def forgotten(screen: Screen, count: int, arguments: dict[str, Any]) -> list[str]:
    return [f"Forgot {_count(count, 'version')}."]


def imported(screen: Screen, outcome: Imported) -> list[str]:
    """What an import took, what was there, and what it could not take."""
    facts = {
        "taken": _numbers(outcome.taken.items()) or "nothing",
        "there before": _numbers(outcome.there.items()),
        "not taken": _numbers(outcome.refused.items()),
    }
    return [*_facts(screen, facts.items()), *(f"  {clean(reason)}" for reason in outcome.reasons)]


# -- events and numbers -----------------------------------------------------------------------------------------------

EVENT_COLOURS = {"registered": "green", "resumed": "green", "ended": "grey", "expired": "yellow"}


def event(screen: Screen, each: Event) -> str:
    """One event in one line, in local time."""
    at = each.at.astimezone().strftime("%H:%M:%S")
    kind = screen.paint(each.kind.ljust(18), EVENT_COLOURS.get(each.kind.rpartition(".")[2], ""))
    data = " ".join(
        f"{name}={value if isinstance(value, str) and ' ' not in value else encode(value)}"
        for name, value in each.data.items()
        if value is not None
    )
    head = f"{screen.paint(str(each.seq).rjust(6), 'grey')}  {screen.paint(at, 'grey')}  {kind}  "
    body = clean(f"{each.session_id or '-'}  {each.project}  {data}".rstrip())
    taken = 6 + 2 + 8 + 2 + max(len(each.kind), 18) + 2
    return head + (body if screen.width is None else cut(body, max(screen.width - taken, 20)))


def event_line(screen: Screen, each: Event, *, is_json: bool) -> str:
    return clean_json(encode(each)) if is_json else event(screen, each)


def stats(screen: Screen, numbers: Stats, arguments: dict[str, Any]) -> list[str]:
    """The bus in numbers: a line for each noun, and one below it for each way it is counted by."""
    facts = []
    for noun, record in numbers.to_dict().items():
        counts = record.to_dict()
        plain = {name: value for name, value in counts.items() if not isinstance(value, dict)}
        grouped = {name: value for name, value in counts.items() if isinstance(value, dict)}
        facts.append((noun, _numbers(plain.items())))
        facts += [(f"  {name.replace('_', ' ')}", _numbers(sorted(value.items()))) for name, value in grouped.items()]
    return _facts(screen, facts)


def _numbers(items: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in items)


def _plain(screen: Screen, result: Any, arguments: dict[str, Any]) -> list[str]:
    """A result of a kind that has no renderer: the fields of each record, or the value itself."""
    lines = []
    for each in result if isinstance(result, list) else [result]:
        is_record = hasattr(each, "to_dict")
        fields = {name: encode(value) for name, value in each.to_dict().items()} if is_record else {}
        lines += _facts(screen, fields.items()) if is_record else [clean(str(each))]
    return lines


# -- small parts ------------------------------------------------------------------------------------------------------


def _facts(screen: Screen, facts: Iterable[tuple[str, Any]], **colours: str) -> list[str]:
    """Named facts, one to a line and aligned; those that are not there are left out."""
    known = [(name, value) for name, value in facts if value]
    width = max((len(name) for name, _ in known), default=0)
    return [
        f"{screen.paint(name.ljust(width), 'grey')}  {screen.paint(str(value), colours.get(name, ''))}"
        for name, value in known
    ]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _moment(screen: Screen, at: datetime) -> str:
    return f"{age(at, screen.now_s)} ago ({at.astimezone().strftime('%Y-%m-%d %H:%M:%S')})"


RENDERERS: dict[str, Renderer] = {
    "Heartbeat": heartbeat,
    "Session": session,
    "list[Session]": sessions,
    "Stats": stats,
    "MemoryEntry": entry,
    "list[MemoryEntry]": history,
    "list[Finding]": findings,
}
BY_OPERATION: dict[str, Renderer] = {
    "sessions.ping": session_line,
    "sessions.update_status": session_line,
    "sessions.end": session_line,
    "sessions.clear_offline": cleared,
    "memory.set": remembered,
    "memory.delete": forgotten,
    "memory.clear": forgotten,
}
