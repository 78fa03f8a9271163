"""`hallway import` through a hub does what it does on the bus's own file."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from cli.person import Person
from hallway.bus.remote import RemoteBus
from hallway.core import errors, export_format
from hallway.transfer import export_import
from hallway.transfer.export_import import Imported, count_records, export_lines, import_file
from hallway.transfer.legacy import import_folder
from hub.client import Client
from support import Here, all_events, open_store
from trust.conftest import make_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hallway.bus.local import LocalBus
    from hub.process import HubProcess

SHOP = Here.project
DEEP: Any = 1
for _ in range(63):
    DEEP = [DEEP]


@pytest.fixture
def own_hub(start_hub: Callable[..., HubProcess]) -> HubProcess:
    return start_hub()


@pytest.fixture
def remote(own_hub: HubProcess) -> Iterator[RemoteBus]:
    with RemoteBus(own_hub.url, Here()) as bus:
        yield bus


@pytest.fixture
def source(tmp_path: Path) -> Iterator[LocalBus]:
    """A bus on which a bit of everything has happened."""
    with open_store(str(tmp_path / "source.db")) as bus:
        bus.sessions.register("s1", "alice's claude", "claude-code", metadata={"ü": "☂"})
        bus.sessions.register("s2", "bob's codex", "codex")
        sent = bus.messages.send("s1", "s2", "request", "look", "line\r\nline\t", {"a": [1]}, idempotency_key="k")
        bus.messages.reply("s2", sent.message_id, "seen")
        task = bus.tasks.offer("s1", "s2", "review")
        bus.tasks.accept("s2", task.task_id)
        bus.memory.set("s1", "plan/a b", {"steps": [1, None]}, "decision", tags=["x"])
        bus.memory.set("s2", "plan/a b", "second")
        bus.memory.set("s1", "deep", DEEP)
        bus.memory.set("s1", "gone", 1)
        bus.memory.delete("gone")
        yield bus


def export_to(bus: LocalBus, path: Path, *, with_tokens: bool = False) -> Path:
    path.write_text("".join(f"{line}\n" for line in export_lines(bus, with_tokens=with_tokens)))
    return path


def lines_of(hub: HubProcess) -> list[str]:
    with open_store(str(hub.bus_file)) as bus:
        return list(export_lines(bus))


def test_what_is_imported_through_a_hub_is_the_same_bus_and_twice_is_once(
    source: LocalBus, own_hub: HubProcess, remote: RemoteBus, tmp_path: Path
) -> None:
    path = export_to(source, tmp_path / "bus.jsonl")
    first = import_file(remote, str(path))
    assert (first.refused, first.existing, first.added["session"]) == ({}, {}, 2)
    assert first.projects == [SHOP]
    assert lines_of(own_hub) == list(export_lines(source))
    found = {word: [each.key for each in remote.memory.find(word, project=SHOP)] for word in ("steps", "second")}
    assert found == {"steps": [], "second": ["plan/a b"]}  # of a key, its newest version
    second = import_file(remote, str(path))
    assert second == Imported(added={}, existing=first.added, refused={}, reasons=[], projects=[SHOP], notes=[])
    assert lines_of(own_hub) == list(export_lines(source))


def test_a_large_export_goes_in_batches_that_each_fit_in_a_request(
    source: LocalBus, remote: RemoteBus, tmp_path: Path
) -> None:
    source.sessions.register("s1", "alice's claude", "claude-code")
    for number in range(8):
        source.memory.set("s1", f"large {number}", "☂" * (80 * 1024))
    for number in range(1200):
        source.memory.set("s1", f"small {number}", number)
    counts: list[int] = []
    path = export_to(source, tmp_path / "bus.jsonl")
    outcome = import_file(remote, str(path), counts.append)
    assert outcome.added["memory"] == 1200 + 8 + 3
    assert len(counts) > 8
    assert counts[-1] == len(path.read_text().splitlines())


def test_batches_have_at_most_so_many_lines_and_bytes_and_keep_the_order() -> None:
    lines: list[tuple[int | str, dict[str, Any]]] = [
        (number, {"text": "x" * (size * 1024)}) for number, size in enumerate([1, 300, 100, 100, 100] + [0] * 2500)
    ]
    batches = list(export_import._batches(iter(lines)))
    assert [each for batch in batches for each in batch] == lines
    assert [len(batch) for batch in batches] == [1, 1, 2, 1000, 1000, 501]


def write_older(folder: Path, *records: dict[str, Any]) -> Path:
    folder.mkdir()
    (folder / "active_sessions.json").write_text(json.dumps(list(records)))
    return folder


OLD = {
    "session_id": "old 1",
    "agent_name": "alice's claude",
    "agent_type": "claude-code",
    "started_at": "2023-11-14T22:00:00",
}


def test_an_older_folder_is_imported_through_a_hub(remote: RemoteBus, tmp_path: Path) -> None:
    folder = write_older(tmp_path / ".sessions", OLD, {"session_id": "old-2"})
    outcome = import_folder(remote, str(folder), SHOP)
    assert (outcome.added, outcome.refused, outcome.projects) == ({"session": 1}, {"session": 1}, [SHOP])
    assert outcome.reasons == ["session old-2: the field started_at is missing"]
    assert remote.sessions.get("old%201").project == SHOP
    assert import_folder(remote, str(folder), SHOP).added == {}


def test_the_command_says_which_project_it_filled_and_what_was_left_out(own_hub: HubProcess, tmp_path: Path) -> None:
    person = Person(tmp_path / "home")
    person.environ["HALLWAY_URL"] = own_hub.url
    done = person.types("import", str(write_older(tmp_path / ".sessions", OLD)), "--project", SHOP)
    assert (done.returncode, SHOP in done.stdout, "session 1" in done.stdout) == (0, True, True), done.stderr
    broken = write_older(tmp_path / "broken", OLD, {"session_id": "old-2"})
    done = person.types("import", str(broken), "--project", SHOP)
    assert (done.returncode, "session old-2: the field started_at is missing" in done.stdout) == (1, True)
    (tmp_path / "x.jsonl").write_text("\n".join(lines_of(own_hub)) + '\n{"record": "claim"}\n')
    done = person.types("import", str(tmp_path / "x.jsonl"))
    assert (done.returncode, f"x.jsonl, line {len(lines_of(own_hub)) + 1}: " in done.stderr) == (7, True), done.stderr


def test_of_a_malformed_file_nothing_reaches_the_hub(
    source: LocalBus, own_hub: HubProcess, remote: RemoteBus, tmp_path: Path
) -> None:
    path = export_to(source, tmp_path / "bus.jsonl")
    number = len(path.read_text().splitlines()) + 1
    with path.open("a") as file:
        file.write(json.dumps({"record": "memory_key", "project": "p", "key": "k", "last_version": -1}))
    with pytest.raises(errors.ImportInvalid, match=f"bus.jsonl, line {number}: last_version"):
        import_file(remote, str(path))
    assert len(lines_of(own_hub)) == 1  # the first line of every export


def test_a_line_that_the_hub_alone_finds_malformed_is_named_too(
    remote: RemoteBus, own_hub: HubProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub of another version may know better."""
    monkeypatch.setattr(export_format, "read_line", lambda line: ("", {}))
    monkeypatch.setattr(export_import, "PAGE", 2)
    good = [{"record": "memory_key", "project": "p", "key": f"k{n}", "last_version": 1} for n in range(4)]
    (tmp_path / "x").write_text("\n".join(map(json.dumps, [*good, {"record": "claim"}])))
    with pytest.raises(errors.ImportInvalid, match="line 5: the line is no record of a bus: 'claim'") as caught:
        import_file(remote, str(tmp_path / "x"))
    assert caught.value.hint.startswith("The first 4 records were imported: import all again")
    assert len(lines_of(own_hub)) == 1 + 4


def test_an_import_that_was_cut_off_says_how_far_it_came_and_goes_on(
    source: LocalBus, own_hub: HubProcess, remote: RemoteBus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(export_to(source, tmp_path / "bus.jsonl"))
    monkeypatch.setattr(export_import, "PAGE", 5)

    def stop_hub(count: int) -> None:
        if count == 10:
            own_hub.stop()

    with pytest.raises(errors.HubUnreachable) as caught:
        import_file(remote, path, stop_hub)
    assert caught.value.hint.startswith("The first 10 records were imported: import all again to go on.")
    assert len(lines_of(own_hub)) == 10
    with open_store(str(own_hub.bus_file)) as bus:
        assert import_file(bus, path).refused == {}
    assert lines_of(own_hub) == list(export_lines(source))


def test_two_imports_at_once_are_one(
    source: LocalBus, own_hub: HubProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(export_to(source, tmp_path / "bus.jsonl"))
    monkeypatch.setattr(export_import, "PAGE", 2)

    def run(_: int) -> Imported:
        with RemoteBus(own_hub.url, Here()) as bus:
            return import_file(bus, path)

    with ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(run, range(3)))
    taken = [sum(each.added.values()) for each in outcomes]
    assert [sum(each.existing.values()) + count for each, count in zip(outcomes, taken, strict=True)] == [
        sum(taken)
    ] * 3
    assert [each.refused for each in outcomes] == [{}] * 3
    assert lines_of(own_hub) == list(export_lines(source))


def test_only_an_admins_token_imports(source: LocalBus, start_hub: Callable[..., HubProcess], tmp_path: Path) -> None:
    path = str(export_to(source, tmp_path / "bus.jsonl"))
    tokens = make_tokens(tmp_path / "hallway")
    hub = start_hub("--require-tokens")
    before = [line for line in lines_of(hub) if '"record":"event"' not in line]
    for name in ("alice", "olive", "wide"):
        with (
            RemoteBus(hub.url, Here(), tokens[name]) as bus,
            pytest.raises(errors.Refused, match=f"only an admin may call imports.add_records, and the token '{name}'"),
        ):
            import_file(bus, path)
    with RemoteBus(hub.url, Here(), "hlw_none") as bus, pytest.raises(errors.Unauthorised):
        import_file(bus, path)
    assert [line for line in lines_of(hub) if '"record":"event"' not in line] == before
    with RemoteBus(hub.url, Here(), tokens["root"]) as bus:
        first = import_file(bus, path)
        assert (first.refused, first.added["session"]) == ({}, 2)
        assert import_file(bus, path).added == {}
    with open_store(str(hub.bus_file)) as bus:
        told = [each.data for each in all_events(bus) if each.kind == "access.administered"]
    assert told == [{"principal": "root", "operation": "imports.add_records", "of": None}] * 2


def test_tokens_reach_a_hub_only_when_they_are_asked_for(
    source: LocalBus, own_hub: HubProcess, remote: RemoteBus, tmp_path: Path
) -> None:
    made = source.tokens.create("alice").token
    path = str(export_to(source, tmp_path / "bus.jsonl", with_tokens=True))
    outcome = import_file(remote, path)
    assert outcome.refused == {"token": 1}
    assert "the token 'alice' is imported only with --with-tokens" in outcome.reasons[0]
    with Client(own_hub.port, token=made) as client:
        assert client.get("/me").status == 401
        assert import_file(remote, path, with_tokens=True).added == {"token": 1}
        assert client.get("/me").json["name"] == "alice"


def test_the_lines_of_an_export_are_a_request_as_they_are(source: LocalBus, own_hub: HubProcess) -> None:
    lines = [json.loads(line) for line in export_lines(source)]
    with Client(own_hub.port) as client:
        answer = client.post("/import", {"records": lines})
        assert (answer.status, answer.json["refused"]) == (200, [])
        assert sum(answer.json["added"].values()) == len(lines) - 1
        wrong = client.post("/import", {"records": [*lines, {"record": "event"}]})
        assert (wrong.status, wrong.json["error"]["index"]) == (400, len(lines))
        assert f"records[{len(lines)}]: the line has no seq" in wrong.json["error"]["message"]
        assert client.post("/import", {"records": [lines[0]] * 1001}).status == 413
        assert client.post("/import", {"records": [[]]}).status == 400


def test_an_export_through_a_hub_says_where_to_make_it(remote: RemoteBus, own_hub: HubProcess, tmp_path: Path) -> None:
    with pytest.raises(errors.UnsupportedUrl) as caught:
        count_records(remote)
    assert caught.value.hint == "Run it where the hub runs, without HALLWAY_URL"
    person = Person(tmp_path / "home")
    done = person.types("backup", str(tmp_path / "copy.db"), HALLWAY_URL=own_hub.url)
    assert (done.returncode, "Run one of these there" in done.stderr) == (2, True)
