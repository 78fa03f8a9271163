"""Export and import lose nothing, and doing it twice changes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hallway.bus.local import LocalBus
from hallway.core import errors
from hallway.core.clock import FakeClock
from hallway.core.export_format import SHAPES
from hallway.core.principal import Principal
from hallway.services.tokens import digest_of
from hallway.store.sqlite import SQLiteStore
from hallway.transfer.export_import import Imported, count_records, export_lines, import_file
from hallway.transfer.legacy import import_folder
from postgres import forget, new_address
from support import STORES, Here, all_events, store_at

SHOP = Here.project
OTHER = "github.com/acme/other"
NOT_EXPORTED = {
    # Numbers of this file's own, and what follows from the rest.
    "sessions": {"id", "expires_at", "check_at", "progress_at"},
    "messages": {"expired_at"},
    "tasks": {"id", "former_owner"},
    "events": set(),
}


@pytest.fixture
def full(bus: LocalBus, clock: FakeClock) -> LocalBus:
    """A bus on which a bit of everything has happened."""
    bus.sessions.register("s1", "alice's claude", "claude-code", capabilities=["review"], metadata={"n": 10**30})
    bus.sessions.register("s2", "bob's codex", "codex", human_user="bob", current_task="read — 会话 🚀")
    bus.sessions.register("s3", "carol's", "gemini", project=OTHER)
    bus.sessions.set_status_detail("s1", {"deep": [[None, -0.0, 1e300]]})
    clock.advance(0.000001)
    bus.sessions.update_status("s2", "waiting", reason="question", detail="Which port?")
    sent = bus.messages.send("s1", "s2", "request", "look", "line\r\nline\t", {"a": [1]}, idempotency_key="k1")
    bus.messages.reply("s2", sent.message_id, "seen")
    bus.messages.broadcast("s1", "all", "hear")
    bus.messages.acknowledge("s2", [sent.message_id])
    task = bus.tasks.offer("s1", "s2", "review")
    bus.tasks.accept("s2", task.task_id)
    bus.memory.set("s1", "plan/a b/🚀", {"steps": [1, None]}, "decision", tags=["x", "y z"], metadata={"m": 1})
    bus.memory.set("s2", "plan/a b/🚀", None, ttl=1000)
    bus.memory.set("s1", "gone", 1), bus.memory.delete("gone")
    bus.memory.set("s1", "short", 1, ttl=1)
    bus.memory.set("s3", "theirs", "x")
    bus.sessions.end("s3")
    clock.advance(2)
    return bus


@pytest.fixture(params=STORES)
def empty(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[LocalBus]:
    """Another bus, on each kind of store: what is exported from any can be taken over by any."""
    address = new_address(request.param, tmp_path / "empty")
    with LocalBus(store_at(address, clock), Here()) as bus:
        yield bus
    forget(address)


def export_to(bus: LocalBus, path: Path, project: str | None = None) -> Path:
    path.write_text("".join(f"{line}\n" for line in export_lines(bus, project)))
    return path


def rows(bus: LocalBus, table: str) -> list[dict[str, Any]]:
    """A table's rows by column, in one order; `is_read` only SQLite has, and it follows from the rest."""
    found = bus.store._connection.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608
    named = [dict(zip(columns(bus, table), row, strict=True)) for row in found]
    return sorted(({name: row[name] for name in sorted(row) if name != "is_read"} for row in named), key=repr)


def columns(bus: LocalBus, table: str) -> list[str]:
    if isinstance(bus.store, SQLiteStore):
        described = bus.store._connection.execute(f"PRAGMA table_xinfo({table})").fetchall()
        return [row[1] for row in described if row[6] != 1]  # 1: hidden
    asked = "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum"
    return [name for (name,) in bus.store._connection.execute(asked, (table,)).fetchall()]


def everything(bus: LocalBus) -> dict[str, list[dict[str, Any]]]:
    tables = ("sessions", "messages", "deliveries", "tasks", "memory_keys", "memory_entries", "events", "memory_index")
    return {table: rows(bus, table) for table in tables}


def test_what_is_exported_and_imported_is_the_same_bus(full: LocalBus, empty: LocalBus, tmp_path: Path) -> None:
    path = export_to(full, tmp_path / "bus.jsonl")
    outcome = import_file(empty, str(path))
    assert outcome.refused == {}
    assert outcome.existing == {}
    assert outcome.added["session"] == 3
    assert list(export_lines(empty)) == list(export_lines(full))
    for table in ("messages", "deliveries", "tasks", "events"):
        assert rows(empty, table) == rows(full, table)
    assert empty.sessions.list_sessions(True) == full.sessions.list_sessions(True)
    assert empty.memory.get_all("plan/a b/🚀") == full.memory.get_all("plan/a b/🚀")
    assert [each.key for each in empty.memory.find("steps plan", pattern="*")] == ["plan/a b/🚀"]
    assert [message.subject for message in empty.messages.inbox("s2")] == [m.subject for m in full.messages.inbox("s2")]


def test_importing_twice_changes_nothing(full: LocalBus, empty: LocalBus, tmp_path: Path) -> None:
    path = export_to(full, tmp_path / "bus.jsonl")
    first = import_file(empty, str(path))
    before = everything(empty)
    second = import_file(empty, str(path))
    assert second == Imported(added={}, existing=first.added, refused={}, reasons=[], projects=[OTHER, SHOP], notes=[])
    assert everything(empty) == before
    assert import_file(full, str(path)).added == {}


def test_an_export_into_a_bus_with_a_life_of_its_own_adds_to_it(
    full: LocalBus, empty: LocalBus, tmp_path: Path
) -> None:
    empty.sessions.register("s9", "dave's", "codex")
    empty.messages.send("s9", "user:dave", "notification", "mine")
    empty.memory.set("s9", "own", 1)
    record = empty.events.read()
    newest = empty.messages.get_messages("user:dave")[-1].seq
    path = export_to(full, tmp_path / "bus.jsonl")
    outcome = import_file(empty, str(path))
    assert outcome.refused == {}
    assert empty.events.read()[: len(record)] == record
    added = empty.events.read(record[-1].seq)
    assert [(each.at, each.kind, each.data) for each in added] == [
        (each.at, each.kind, each.data) for each in full.events.read()
    ]
    assert all(message.seq > newest for message in empty.messages.get_messages("s2"))
    before = everything(empty)
    assert import_file(empty, str(path)).added == {}
    assert everything(empty) == before


def test_an_event_is_looked_for_by_an_index(empty: LocalBus) -> None:
    """Else an import into a bus with a life of its own would take time with the square of its events."""
    statement = empty.store._statements["transfer.has_event"]
    if isinstance(empty.store, SQLiteStore):
        named = dict.fromkeys(("at", "kind", "project", "session_id", "data"), 1)
        plan = str(empty.store._connection.execute(f"EXPLAIN QUERY PLAN {statement}", named).fetchall())
    else:
        text = re.sub(r"\$\d+::text", "'x'", re.sub(r"\$\d+::bigint", "1", statement.text.decode()))
        empty.store._connection.execute("SET enable_seqscan = off")  # which a table without rows would be read by
        plan = str(empty.store._connection.execute(f"EXPLAIN {text}").fetchall())
    assert "events_at" in plan


def test_of_versions_that_come_in_any_order_the_newest_is_found(empty: LocalBus) -> None:
    line = {"record": "memory", "key": "k", "type": "note", "tags": [], "session_id": "s1", "project": SHOP}
    line |= {"created_at": "2023-11-14T22:00:00Z", "expires_at": None, "metadata": {}}
    words = {1: "first", 2: "second", 3: "third"}
    for version in (2, 3, 1):
        each = {**line, "entry_id": f"e{version}", "version": version, "value": words[version]}
        assert empty.imports.add_records([each]).added == {"memory": 1}
    found = {word: len(empty.memory.find(word, project=SHOP)) for word in words.values()}
    assert found == {"first": 0, "second": 0, "third": 1}


def test_versions_that_were_deleted_are_not_given_out_again_after_an_import(
    full: LocalBus, empty: LocalBus, tmp_path: Path
) -> None:
    import_file(empty, str(export_to(full, tmp_path / "bus.jsonl")))
    assert empty.memory.set("s1", "gone", 1).version == 2
    assert empty.memory.set("s1", "short", 1).version == 2


def test_an_entry_that_is_different_here_stays_and_is_told(full: LocalBus, empty: LocalBus, tmp_path: Path) -> None:
    empty.sessions.register("s1", "agent", "codex")
    ours = empty.memory.set("s1", "plan/a b/🚀", "ours", tags=["t"])
    outcome = import_file(empty, str(export_to(full, tmp_path / "bus.jsonl")))
    assert outcome.refused == {"memory": 1}
    assert "version 1 of 'plan/a b/🚀'" in outcome.reasons[0]
    assert empty.memory.get_all("plan/a b/🚀")[-1] == ours
    assert empty.sessions.get("s1").agent_name == "agent"


def test_what_is_exported_is_counted_as_what_is_imported(full: LocalBus, empty: LocalBus, tmp_path: Path) -> None:
    counts: dict[str, int] = {}
    (tmp_path / "bus.jsonl").write_text("\n".join(export_lines(full, counts=counts)))
    assert import_file(empty, str(tmp_path / "bus.jsonl")).added == counts


def test_one_project_alone_can_be_exported(full: LocalBus, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in export_lines(full, OTHER)]
    assert {line["record"] for line in lines} == {"hallway", "session", "memory", "event"}
    assert {line["project"] for line in lines} == {OTHER}
    assert count_records(full, OTHER) == len(lines) - 1


def test_every_column_is_exported(full: LocalBus) -> None:
    for table, left_out in NOT_EXPORTED.items():
        assert set(columns(full, table)) == set(SHAPES[table.removesuffix("s")].fields) | left_out


BAD_LINES = {
    "{": "Expecting property name",
    "[1]": "no JSON object",
    '{"record": "claim"}': "no record of a bus",
    '{"record": "hallway", "format": 2}': "format 2",
    '{"record": "delivery", "message_id": "m"}': "has no recipient",
    '{"record": "memory_key", "project": "p", "key": "k", "last_version": -1}': "last_version",
    '{"record": "memory_key", "project": "p", "key": "k", "last_version": 1, "x": 1}': "unknown field 'x'",
    '{"record": "memory_key", "project": "p", "key": "a\\u0000b", "last_version": 1}': "control characters",
    '{"record": "event", "seq": 1, "at": "noon", "kind": "k", "project": "p", "session_id": null, "data": {}}': "noon",
    '{"record": "event", "seq": 1, "at": "2026-01-01T00:00:00", "kind": "k", "project": "p", "session_id": null,'
    ' "data": {}}': "no zone",
    '{"record": "event", "seq": 1, "at": "2026-01-01T00:00:00Z", "kind": "k", "project": "p", "session_id": null,'
    ' "data": NaN}': "NaN",
    '{"record": "event", "seq": 9007199254740993, "at": "2026-01-01T00:00:00Z", "kind": "k", "project": "p",'
    ' "session_id": null, "data": {}}': "seq is 9007199254740993",
    '{"record": "memory_key", "project": "p", "key": "k", "last_version": 9223372036854775807}': "last_version",
}


@pytest.mark.parametrize("bad", BAD_LINES)
def test_a_malformed_line_is_reported_and_nothing_of_its_file_is_taken(
    full: LocalBus, empty: LocalBus, tmp_path: Path, bad: str
) -> None:
    path = export_to(full, tmp_path / "bus.jsonl")
    before = everything(empty)
    number = len(path.read_text().splitlines()) + 1
    with path.open("a") as file:
        file.write(f"{bad}\n")
    with pytest.raises(errors.ImportInvalid) as caught:
        import_file(empty, str(path))
    assert caught.value.details["line"] == number
    assert BAD_LINES[bad] in caught.value.details["reason"]
    assert everything(empty) == before


FIRST = "0001-01-01T00:00:00Z"
LAST = "8999-12-31T23:59:59.999999Z"
MAX_NUMBER = 2**53


def edge_lines(at: str, number: int) -> list[dict[str, Any]]:
    """A line of each kind of record with this time wherever it has one, and this number wherever one counts."""
    made = {"session_id": "s1", "project": SHOP, "metadata": {}}
    session = {"agent_name": "a", "agent_type": "codex", "status": "idle", "status_since": at, "status_detail": None}
    session |= {"name": "shop", "name_base": "shop", "name_source": "hallway"}
    session |= {"capabilities": [], "started_at": at, "last_seen": at, "ttl_s": 120}
    session |= dict.fromkeys(("reason", "detail", "current_task", "human_user", "location", "branch"))
    session |= dict.fromkeys(("ended_at", "end_reason", "continued_by", "principal"))
    sent = {"message_id": "m", "type": "request", "from_session": "s1", "to_session": "s1", "project": SHOP}
    sent |= {"subject": "x", "body": "", "data": {}, "priority": "normal", "in_reply_to": None, "thread_id": "m"}
    sent |= {"task_id": None, "sent_at": at, "expires_at": at, "idempotency_key": None, "digest": 0, "seq": number}
    request = {"message_id": "m", "from_session": "s1", "to_session": "s2", "state": "open", "times_gone": 0}
    request |= {"reply_within": 600, "answer_id": None}
    request |= dict.fromkeys(("state_since", "asked_at", "reply_by", "due_at"), at)
    request |= dict.fromkeys(("overdue_at", "turn_ended_at", "closed_at"))
    delivery = {"message_id": "m", "recipient": "s1", "expires_at": at, "injected_at": at, "acknowledged_at": at}
    task = {"task_id": "t", "project": SHOP, "subject": "x", "body": "", "data": {}, "status": "offered"}
    task |= {"address": "*", "offered_by": "s1", "offered_to": "*", "owner": None, "result": None}
    task |= {"created_at": at, "updated_at": at}
    entry = {"entry_id": "e", "key": "k", "type": "note", "value": 1, "version": number, "tags": [], "created_at": at}
    event = {"seq": number, "at": at, "kind": "k", "project": SHOP, "session_id": None, "data": {}}
    return [
        {"record": "session", **session, **made},
        {"record": "message", **sent},
        {"record": "delivery", **delivery},
        {"record": "request", **request},
        {"record": "task", **task},
        {"record": "memory", **entry, **made, "expires_at": None},
        {"record": "memory_key", "project": SHOP, "key": "j", "last_version": number},
        {"record": "event", **event},
    ]


@pytest.mark.parametrize("project", [None, "", 5, ["p"], {"p": 1}, SHOP])
def test_the_projects_of_an_import_are_those_of_its_records(empty: LocalBus, tmp_path: Path, project: Any) -> None:
    header = {"record": "hallway", "format": 1, "project": project}
    lines = [header, *(line for line in edge_lines(LAST, 1) if line["record"] == "memory_key")]
    (tmp_path / "x").write_text("\n".join(map(json.dumps, [*lines, {**lines[1], "project": OTHER}])))
    assert import_file(empty, str(tmp_path / "x")).projects == [OTHER, SHOP]
    (tmp_path / "x").write_text(json.dumps(header))
    assert import_file(empty, str(tmp_path / "x")).projects == []


@pytest.mark.parametrize("at", [FIRST, LAST])
def test_records_at_the_edges_of_what_is_allowed_can_be_read_and_written_after(empty: LocalBus, at: str) -> None:
    """An import that a bus accepts leaves it in working order, whatever times and numbers the file has."""
    lines = edge_lines(at, MAX_NUMBER)
    assert sum(empty.imports.add_records(lines).added.values()) == len(lines)
    assert at in "".join(export_lines(empty))
    assert all_events(empty)[0].seq == MAX_NUMBER
    assert empty.memory.get_entry("k", project=SHOP).version == MAX_NUMBER
    assert len(empty.sessions.list_sessions(True)) == len(empty.tasks.list_tasks()) == 1
    assert empty.messages.get("m").seq == MAX_NUMBER
    empty.sessions.register("s2", "bob", "codex")
    assert empty.memory.set("s2", "k", 2).version == empty.memory.set("s2", "j", 2).version == MAX_NUMBER + 1
    assert empty.messages.send("s2", "s1", "request", "x").seq > MAX_NUMBER
    assert empty.tasks.accept("s2", "t").owner == "s2"
    assert all_events(empty)[-1].seq > MAX_NUMBER


@pytest.mark.promise("S9")
def test_an_imported_session_whose_name_is_taken_gets_a_number(empty: LocalBus) -> None:
    empty.sessions.register("s0", "bob", "codex")
    line = {**edge_lines(LAST, 1)[0], "name": empty.sessions.get("s0").name}
    assert empty.imports.add_records([line, {**line, "session_id": "s2"}]).added == {"session": 2}
    assert len({each.name for each in empty.sessions.active(SHOP).sessions}) == 3


@pytest.mark.parametrize(
    "at",
    ["9000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"],
)
def test_a_time_that_could_not_be_read_back_is_malformed(empty: LocalBus, at: str) -> None:
    for line in edge_lines(at, 1):
        if line["record"] != "memory_key":
            with pytest.raises(errors.InvalidInput, match=r"records\[0\]: "):
                empty.imports.add_records([line])
    assert not any(everything(empty).values())


@pytest.mark.parametrize("content", [b"\xff\xfe{", b"\x00", b'{"record": "session"', b"not json\n"])
def test_what_is_no_export_is_an_error(empty: LocalBus, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(errors.ImportInvalid, match="line 1"):
        import_file(empty, str(tmp_path / "x"))


def test_a_session_and_a_task_that_cannot_be_are_errors(full: LocalBus, empty: LocalBus, tmp_path: Path) -> None:
    for record, change in (("session", {"status": "offline"}), ("task", {"owner": None}), ("memory", {"version": 0})):
        line = next(line for line in map(json.loads, export_lines(full)) if line["record"] == record)
        (tmp_path / "x").write_text(json.dumps({**line, **change}))
        with pytest.raises(errors.ImportInvalid):
            import_file(empty, str(tmp_path / "x"))


def test_a_missing_file_is_an_error(empty: LocalBus, tmp_path: Path) -> None:
    for call in (import_file, import_folder):
        with pytest.raises(errors.FileUnusable):
            call(empty, str(tmp_path / "none"))


# -- the older layout -------------------------------------------------------------------------------------------------

OLD_SESSION = {
    "session_id": "old-1",
    "agent_name": "alice's claude",
    "agent_type": "claude-code",
    "status": "working",
    "started_at": "2023-11-14T22:00:00+00:00",
    "last_ping": "2023-11-14T22:13:00+00:00",
    "human_user": "alice",
    "location": "host:/src/shop",
    "capabilities": ["review"],
    "current_task": "read",
    "metadata": {"pid": 7},
}
OLD_MESSAGES = [
    {
        "message_id": "msg_2",
        "type": "response",
        "from_session": "old-2",
        "to_session": "old-1",
        "subject": "Re",
        "body": "yes",
        "data": {},
        "timestamp": "2023-11-14T22:05:00+00:00",
        "in_reply_to": "msg_1",
    },
    {
        "message_id": "msg_1",
        "type": "request",
        "from_session": "old-1",
        "to_session": "old-2",
        "subject": "Q",
        "body": "may I?",
        "data": {"a": 1},
        "timestamp": "2023-11-14T22:04:00+00:00",
        "in_reply_to": None,
    },
    {
        "message_id": "msg_3",
        "type": "broadcast",
        "from_session": "old-1",
        "to_session": None,
        "subject": "all",
        "body": "hear",
        "data": None,
        "timestamp": 1_700_000_000.5,
        "in_reply_to": None,
    },
    {
        "message_id": "msg_4",
        "type": "gossip",
        "from_session": "old-1",
        "to_session": "old-2",
        "subject": "",
        "body": "",
        "data": {},
        "timestamp": "2023-11-14T22:06:00+00:00",
    },
]
OLD_MEMORY = {
    "mem_2": {
        "entry_id": "mem_2",
        "type": "decision",
        "key": "plan",
        "value": {"v": 2},
        "session_id": "old-2",
        "timestamp": "2023-11-14T22:02:00+00:00",
        "ttl": None,
        "tags": ["auth"],
        "metadata": {},
    },
    "mem_1": {
        "entry_id": "mem_1",
        "type": "fact",
        "key": "plan",
        "value": "first",
        "session_id": "old-1",
        "timestamp": "2023-11-14T22:01:00+00:00",
        "ttl": None,
        "tags": [],
        "metadata": {"m": 1},
    },
    "mem_3": {
        "entry_id": "mem_3",
        "type": "note",
        "key": "brief",
        "value": 1,
        "session_id": "old-1",
        "timestamp": "2023-11-14T22:01:00+00:00",
        "ttl": 5,
        "tags": [],
    },
    "mem_4": {"type": "note", "key": "nameless", "value": 1, "session_id": "old-1", "timestamp": 0},
}


@pytest.fixture
def older(tmp_path: Path) -> Path:
    folder = tmp_path / "shop" / ".sessions"
    for name, content in {
        "active_sessions.json": {"old-1": OLD_SESSION, "old-2": {**OLD_SESSION, "session_id": "old-2"}, "bad": 7},
        "messages/recent_messages.json": OLD_MESSAGES,
        "shared_memory/memory.json": OLD_MEMORY,
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    return folder


def test_the_older_layout_is_taken_over(bus: LocalBus, older: Path) -> None:
    outcome = import_folder(bus, str(older), SHOP)
    assert outcome.added == {"session": 2, "message": 3, "delivery": 2, "memory": 2}
    assert outcome.refused == {"session": 1, "message": 1, "memory": 2}
    assert len(outcome.reasons) == 4
    session = bus.sessions.get("old-1")
    assert (session.agent_name, session.human_user, session.current_task) == ("alice's claude", "alice", "read")
    assert (session.capabilities, session.metadata, session.project) == (["review"], {"pid": 7}, SHOP)
    thread = bus.messages.get_conversation("msg_2")
    assert [(each.message_id, each.thread_id) for each in thread.messages] == [("msg_1", "msg_1"), ("msg_2", "msg_1")]
    assert bus.messages.inbox("old-1") == bus.messages.inbox("old-2") == []
    assert bus.messages.get("msg_3").to_session == "*"
    newest, first = bus.memory.get_all("plan")
    assert (newest.entry_id, newest.version, newest.value, newest.tags) == ("mem_2", 2, {"v": 2}, ["auth"])
    assert (first.entry_id, first.value, first.session_id, first.metadata) == ("mem_1", "first", "old-1", {"m": 1})


def test_taking_over_the_older_layout_twice_changes_nothing(bus: LocalBus, older: Path) -> None:
    import_folder(bus, str(older), SHOP)
    bus.sweep()
    before = everything(bus)
    assert import_folder(bus, str(older), SHOP).added == {}
    assert everything(bus) == before


def test_sessions_of_the_older_layout_that_went_silent_are_offline(
    bus: LocalBus, older: Path, clock: FakeClock
) -> None:
    clock.advance(3600)
    import_folder(bus, str(older), SHOP)
    assert bus.sessions.list_sessions() == []
    assert bus.sessions.get("old-1").end_reason == "expired"


@pytest.mark.parametrize("arrange", [lambda items: list(items.values()), lambda items: {"entries": items}, dict])
def test_the_older_files_may_be_lists_or_wrapped(
    bus: LocalBus, older: Path, arrange: Callable[[dict[str, Any]], Any]
) -> None:
    (older / "shared_memory" / "memory.json").write_text(json.dumps(arrange(OLD_MEMORY)))
    assert import_folder(bus, str(older), SHOP).added["memory"] == 2


def test_an_older_file_that_is_no_json_is_reported_with_its_line_and_nothing_is_taken(
    bus: LocalBus, older: Path
) -> None:
    path = older / "messages" / "recent_messages.json"
    path.write_text('[\n  {"message_id": "m",\n  oops\n]')
    before = everything(bus)
    with pytest.raises(errors.ImportInvalid, match=r"recent_messages\.json, line 3"):
        import_folder(bus, str(older), SHOP)
    assert everything(bus) == before


def test_the_older_layout_goes_to_the_project_it_is_in(bus: LocalBus, older: Path) -> None:
    import_folder(bus, str(older))
    assert bus.sessions.get("old-1").project == str(older.parent)


# -- whose a session is -----------------------------------------------------------------------------------------------


def guarded(bus: LocalBus) -> dict[str, str]:
    """Alice's token for the shop, bob's for all, an admin's, and one that is revoked; alice's has a session."""
    made = {
        "alice": bus.tokens.create("alice", projects=[SHOP]).token,
        "bob": bus.tokens.create("bob", "observer", projects=[OTHER], expires_in_s=3600).token,
        "root": bus.tokens.create("root", "admin").token,
        "old": bus.tokens.create("old").token,
    }
    bus.tokens.revoke("old")
    bus.principal = Principal("alice", "agent", [SHOP])
    bus.sessions.register("hers", "alice's claude", "claude-code")
    bus.principal = None
    return made


def export_with_tokens(bus: LocalBus, path: Path, project: str | None = None) -> Path:
    path.write_text("".join(f"{line}\n" for line in export_lines(bus, project, with_tokens=True)))
    return path


def test_a_session_belongs_to_its_token_after_a_move(bus: LocalBus, empty: LocalBus, tmp_path: Path) -> None:
    guarded(bus)
    import_file(empty, str(export_to(bus, tmp_path / "bus.jsonl")))
    empty.principal = Principal("alice", "agent", [SHOP])
    assert empty.sessions.heartbeat("hers", status="working").session_id == "hers"
    empty.principal = Principal("mallory", "agent", [SHOP])
    with pytest.raises(errors.Refused, match="registered by another token"):
        empty.sessions.heartbeat("hers", status="working")


def test_tokens_go_along_as_hashes_when_both_sides_say_so(bus: LocalBus, empty: LocalBus, tmp_path: Path) -> None:
    made = guarded(bus)
    path = export_with_tokens(bus, tmp_path / "bus.jsonl")
    assert not any(token in path.read_text() for token in made.values())
    outcome = import_file(empty, str(path), with_tokens=True)
    assert outcome.added["token"] == 3
    valid = empty.tokens.valid()
    assert {digest_of(made[name]) for name in ("alice", "bob", "root")} == set(valid)
    assert {each.name: each.projects for each in empty.tokens.list_tokens()} == {
        "alice": [SHOP],
        "bob": [OTHER],
        "root": None,
    }
    assert valid[digest_of(made["bob"])].expires_in_s == pytest.approx(3600, abs=1)
    assert [each.data["name"] for each in empty.events.read(kinds=["token.imported"])] == ["alice", "bob", "root"]
    again = import_file(empty, str(path), with_tokens=True)
    assert again.existing["token"] == 3
    assert "token" not in again.added


def test_without_the_word_no_token_leaves_and_none_is_let_in(bus: LocalBus, empty: LocalBus, tmp_path: Path) -> None:
    guarded(bus)
    assert '"record":"token"' not in export_to(bus, tmp_path / "plain.jsonl").read_text()
    outcome = import_file(empty, str(export_with_tokens(bus, tmp_path / "tokens.jsonl")))
    assert outcome.refused["token"] == 3
    assert "the token 'alice' is imported only with --with-tokens" in outcome.reasons[0]
    assert empty.tokens.valid() == {}


def test_a_token_that_is_revoked_or_named_otherwise_here_stays_so(
    bus: LocalBus, empty: LocalBus, tmp_path: Path
) -> None:
    made = guarded(bus)
    path = str(export_with_tokens(bus, tmp_path / "bus.jsonl"))
    own = empty.tokens.create("bob").token
    import_file(empty, path, with_tokens=True)
    empty.tokens.revoke("alice")
    outcome = import_file(empty, path, with_tokens=True)
    assert outcome.refused["token"] == 2
    assert {"it is revoked on this bus", "this bus has another token with this name"} == {
        reason.rpartition(": ")[2] for reason in outcome.reasons
    }
    assert set(empty.tokens.valid()) == {digest_of(own), digest_of(made["root"])}


def test_of_one_project_the_tokens_that_see_it_are_exported(bus: LocalBus, tmp_path: Path) -> None:
    guarded(bus)
    lines = map(json.loads, export_with_tokens(bus, tmp_path / "shop.jsonl", SHOP).read_text().splitlines())
    assert [line["name"] for line in lines if line["record"] == "token"] == ["alice", "root"]


def test_an_admins_token_for_one_project_is_malformed(bus: LocalBus, tmp_path: Path) -> None:
    guarded(bus)
    path = export_with_tokens(bus, tmp_path / "bus.jsonl")
    path.write_text(path.read_text().replace('"role":"admin","projects":null', '"role":"admin","projects":["x"]'))
    with pytest.raises(errors.ImportInvalid, match="for all projects"):
        import_file(bus, str(path), with_tokens=True)


# -- more of the older layout -----------------------------------------------------------------------------------------


def write(folder: Path, name: str, content: object) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def test_older_times_without_a_zone_are_utc_and_no_ttl_is_for_ever(bus: LocalBus, tmp_path: Path) -> None:
    at = {"timestamp": "2023-11-14T22:01:00", "session_id": "old-1", "type": "note", "value": 1}
    write(tmp_path, "shared_memory/memory.json", [{**at, "entry_id": "m1", "key": "k", "ttl": 0}])
    import_folder(bus, str(tmp_path), SHOP)
    entry = bus.memory.get_entry("k", project=SHOP)
    assert (entry.created_at.isoformat(), entry.expires_at) == ("2023-11-14T22:01:00+00:00", None)


def test_older_ids_are_escaped_everywhere_alike_and_noted(bus: LocalBus, tmp_path: Path) -> None:
    odd, reserved = "my agent/1", "active"
    sessions = [{**OLD_SESSION, "session_id": each} for each in (odd, reserved)]
    write(tmp_path, "active_sessions.json", sessions)
    sent = {**OLD_MESSAGES[1], "from_session": odd, "to_session": reserved, "message_id": "m 1"}
    answer = {**OLD_MESSAGES[0], "from_session": reserved, "to_session": odd, "in_reply_to": "m 1"}
    write(tmp_path, "messages/recent_messages.json", [sent, answer])
    outcome = import_folder(bus, str(tmp_path), SHOP)
    assert (outcome.refused, outcome.projects) == ({}, [SHOP])
    assert {each.session_id for each in bus.sessions.list_sessions(True)} == {"my%20agent%2F1", "%61ctive"}
    thread = bus.messages.get_conversation("msg_2").messages
    assert [(each.message_id, each.from_session) for each in thread] == [
        ("m%201", "my%20agent%2F1"),
        ("msg_2", "%61ctive"),
    ]
    assert len(outcome.notes) == 3
    assert "the id 'my agent/1' is my%20agent%2F1 on the bus" in outcome.notes
    assert import_folder(bus, str(tmp_path), SHOP).added == {}


@pytest.mark.parametrize("task", ["one\ntwo\n\tthree", "x" * 5000])
def test_an_older_task_of_many_lines_is_cut_with_a_note(bus: LocalBus, tmp_path: Path, task: str) -> None:
    write(tmp_path, "active_sessions.json", [{**OLD_SESSION, "current_task": task}])
    outcome = import_folder(bus, str(tmp_path), SHOP)
    kept = bus.sessions.get("old-1").current_task or ""
    assert kept == ("one two three" if "\n" in task else "x" * 999 + "…")
    assert outcome.notes == [f"the task of the session old-1 is cut to one line of {len(kept)} characters"]


def test_older_task_offers_become_tasks(bus: LocalBus, tmp_path: Path) -> None:
    write(tmp_path, "active_sessions.json", [OLD_SESSION, {**OLD_SESSION, "session_id": "old-2"}])
    offer = {**OLD_MESSAGES[1], "type": "task_offer", "message_id": "t1", "subject": "work"}
    open_one = {**offer, "message_id": "t2", "to_session": None}
    taken = {**OLD_MESSAGES[0], "type": "task_accept", "in_reply_to": "t1"}
    write(tmp_path, "messages/recent_messages.json", [offer, open_one, taken])
    assert import_folder(bus, str(tmp_path), SHOP).added["task"] == 2
    first, second = bus.tasks.get("t1"), bus.tasks.get("t2")
    assert (first.status, first.owner, first.subject) == ("accepted", "old-2", "work")
    assert (second.status, second.owner, second.offered_to) == ("offered", None, "*")
    assert bus.tasks.complete("old-2", "t1").status == "completed"
    assert bus.tasks.accept("old-1", "t2").owner == "old-1"


def test_an_older_record_with_a_secret_is_left_out_by_name_unless_allowed(bus: LocalBus, tmp_path: Path) -> None:
    secret = "ghp_" + "a1B2c3D4e5" * 3 + "F6g7h8"
    write(tmp_path, "messages/recent_messages.json", [{**OLD_MESSAGES[1], "body": f"use {secret}"}])
    outcome = import_folder(bus, str(tmp_path), SHOP)
    assert (outcome.added, outcome.refused) == ({}, {"message": 1})
    assert outcome.reasons[0].startswith("message msg_1: the record holds what looks like a secret")
    assert secret not in outcome.reasons[0]
    assert import_folder(bus, str(tmp_path), SHOP, allow_secret=True).added["message"] == 1


def test_each_older_record_left_out_is_named_with_the_reason(bus: LocalBus, older: Path) -> None:
    reasons = import_folder(bus, str(older), SHOP).reasons
    assert [each.partition(":")[0] for each in reasons] == [
        "session number 3",
        "message msg_4",
        "memory number 1",
        "memory mem_3",
    ]


def older_thread(folder: Path, *messages: dict[str, Any]) -> None:
    """Three older sessions and these messages, a minute apart, each from old-1 to old-2 unless it says otherwise."""
    sessions = [{**OLD_SESSION, "session_id": each} for each in ("old-1", "old-2", "old-3")]
    write(folder, "active_sessions.json", sessions)
    first = {"from_session": "old-1", "to_session": "old-2", "subject": "work", "body": "", "in_reply_to": None}
    timed = [{**first, "timestamp": f"2023-11-14T22:{minute:02}:00", **each} for minute, each in enumerate(messages)]
    write(folder, "messages/recent_messages.json", timed)


OFFER = {"message_id": "t", "type": "task_offer"}
ACCEPT = {"message_id": "a", "type": "task_accept", "from_session": "old-2", "to_session": "old-1", "in_reply_to": "t"}
ON = {"message_id": "h", "type": "handoff", "from_session": "old-2", "to_session": "old-3", "in_reply_to": "t"}
TAKE = {"message_id": "b", "type": "task_accept", "from_session": "old-3", "to_session": "old-2", "in_reply_to": "h"}
OWN = {"message_id": "t", "type": "handoff"}
ASK = {"message_id": "q", "type": "request"}

HANDOFFS: dict[str, tuple[list[dict[str, Any]], str, str | None, str | None]] = {
    "an owner hands a task on": ([OFFER, ACCEPT, ON], "accepted", "old-2", "old-3"),
    "what is handed on is accepted": ([OFFER, ACCEPT, ON, TAKE], "accepted", "old-3", None),
    "it is handed on in answer to the acceptance": (
        [OFFER, ACCEPT, {**ON, "in_reply_to": "a"}, TAKE],
        "accepted",
        "old-3",
        None,
    ),
    "it is handed to everybody": ([OFFER, ACCEPT, {**ON, "to_session": None}, TAKE], "accepted", "old-3", None),
    "it is handed back": (
        [
            OFFER,
            ACCEPT,
            ON,
            TAKE,
            {**ON, "message_id": "i", "from_session": "old-3", "to_session": "old-2", "in_reply_to": "b"},
        ],
        "accepted",
        "old-3",
        "old-2",
    ),
    "who does not own it cannot hand it on": (
        [OFFER, ACCEPT, {**ON, "from_session": "old-1"}],
        "accepted",
        "old-2",
        None,
    ),
    "what nobody has accepted cannot be handed on": ([OFFER, ON], "offered", None, "old-2"),
    "only whom it is handed to accepts it": (
        [OFFER, ACCEPT, ON, {**TAKE, "from_session": "old-1"}],
        "accepted",
        "old-2",
        "old-3",
    ),
    "a handoff of no task makes one, its sender's": ([OWN], "accepted", "old-1", "old-2"),
    "which is accepted": ([OWN, ACCEPT], "accepted", "old-2", None),
    "a handoff in answer to a message of no task makes one": (
        [ASK, {**OWN, "in_reply_to": "q"}, ACCEPT],
        "accepted",
        "old-2",
        None,
    ),
    "an offer in answer to a message is accepted like any": (
        [ASK, {**OFFER, "in_reply_to": "q"}, ACCEPT],
        "accepted",
        "old-2",
        None,
    ),
    "a handoff of a message that is gone makes one": ([{**OWN, "in_reply_to": "gone"}], "accepted", "old-1", "old-2"),
}


@pytest.mark.parametrize("about", HANDOFFS)
def test_older_handoffs_are_followed(bus: LocalBus, tmp_path: Path, about: str) -> None:
    messages, *expected = HANDOFFS[about]
    older_thread(tmp_path, *messages)
    outcome = import_folder(bus, str(tmp_path), SHOP)
    assert (outcome.refused, outcome.added["task"]) == ({}, 1)
    task = bus.tasks.get("t")
    assert [task.status, task.owner, task.offered_to] == expected
    assert {bus.messages.get(each["message_id"]).task_id for each in messages} - {None} == {"t"}
    if expected[1] is not None:
        assert bus.tasks.complete(expected[1], "t").status == "completed"
    assert import_folder(bus, str(tmp_path), SHOP).added == {}


def test_who_an_older_task_is_handed_to_accepts_it_on_the_bus(bus: LocalBus, tmp_path: Path) -> None:
    older_thread(tmp_path, OFFER, ACCEPT, ON)
    import_folder(bus, str(tmp_path), SHOP)
    assert bus.tasks.accept("old-3", "t").owner == "old-3"


def test_an_older_handoff_that_is_left_out_makes_no_task(bus: LocalBus, tmp_path: Path) -> None:
    older_thread(tmp_path, {**OWN, "subject": "x" * 300})
    outcome = import_folder(bus, str(tmp_path), SHOP)
    assert (outcome.refused, "task" in outcome.added) == ({"message": 1}, False)


@pytest.mark.promise("M9")
def test_a_request_goes_on_waiting_on_the_bus_that_it_was_moved_to(
    full: LocalBus, empty: LocalBus, tmp_path: Path, clock: FakeClock
) -> None:
    full.messages.send("s1", "s2", "request", "which port?", reply_within_s=60)
    path = export_to(full, tmp_path / "x")
    import_file(empty, str(path))
    assert empty.requests.find() == full.requests.find()
    assert [each.state for each in empty.requests.find()] == ["open", "answered"]
    clock.advance(61)
    assert [each.state for each in empty.requests.find()] == ["overdue", "answered"]
    assert import_file(empty, str(path)).added == {}
