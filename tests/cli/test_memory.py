"""What a person types to remember, find and forget, and to carry a bus elsewhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cli.test_terminal import on_a_terminal

if TYPE_CHECKING:
    from pathlib import Path

    from cli.person import Person


@pytest.mark.parametrize(
    ("typed", "value"),
    [("text", "text"), ("7", 7), ("null", None), ('{"a": [1]}', {"a": [1]}), ('"7"', "7"), ("{", "{"), ("NaN", "NaN")],
)
def test_values_are_json_where_they_are_json_else_text(team: Person, typed: str, value: object) -> None:
    team.types("memory", "set", "s1", "k", typed)
    assert team.gets("memory", "get", "k")["value"] == value


def test_set_get_history_delete(team: Person) -> None:
    done = team.types("memory", "set", "s1", "plan/a b", "one", "--type", "decision", "--tags", "x,y", "--ttl", "600")
    assert done.stdout == "plan/a b is at version 1 in github.com/acme/shop\n"
    assert team.types("memory", "set", "s2", "plan/a b", "two", "--if-version", "1").returncode == 0
    assert team.types("memory", "get", "plan/a b").stdout == "two\n"
    _, shown = team.on_a_terminal("memory", "get", "plan/a b")
    assert "version  2 by s2" in shown
    assert [entry["value"] for entry in team.gets("memory", "get", "plan/a b", "--all")] == ["two", "one"]
    assert [line.split()[:3] for line in team.types("memory", "get", "plan/a b", "--all").stdout.splitlines()] == [
        ["V", "TYPE", "BY"],
        ["2", "state", "s2"],
        ["1", "decision", "s1"],
    ]
    assert team.types("memory", "delete", "plan/a b").stdout == "Forgot 2 versions.\n"
    assert team.types("memory", "get", "plan/a b").returncode == 4
    team.types("memory", "set", "s1", "k", "one")
    assert team.types("memory", "clear").stdout == "Forgot 1 version.\n"


def test_a_lost_compare_and_set_says_what_is_there(team: Person) -> None:
    team.types("memory", "set", "s1", "k", "one")
    done = team.types("memory", "set", "s2", "k", "two", "--if-version", "0")
    assert (done.returncode, done.stdout) == (5, "")
    assert "'k' is at version 1, not 0" in done.stderr
    told = team.types("memory", "set", "s2", "k", "two", "--if-version", "0", "--json")
    assert json.loads(told.stderr)["error"]["current"]["value"] == "one"


def test_search_shows_a_line_of_each_with_what_was_found(team: Person) -> None:
    team.types("memory", "set", "s1", "auth", "the session token", "--tags", "web", "--type", "fact")
    team.types("memory", "set", "s2", "task_1", '{"use": "no\\u001b[2J cookie"}')
    assert "the session **token**" in team.types("memory", "search", "token").stdout
    for words in (["token"], ["--pattern", "au*"], ["--tags", "web"], ["--session", "s1"], ["--type", "fact"]):
        assert [found["key"] for found in team.gets("memory", "search", *words)] == ["auth"]
    assert [found["key"] for found in team.gets("memory", "search")] == ["task_1", "auth"]
    assert "\x1b" not in team.types("memory", "search").stdout + team.types("memory", "get", "task_1").stdout
    assert team.types("memory", "search", "nowhere").stdout == "No matching entries.\n"


def test_search_says_when_no_entry_has_all_of_the_words(team: Person) -> None:
    team.types("memory", "set", "s1", "auth", "the session token")
    note, heading, row, *_ = team.types("memory", "search", "token nowhere").stdout.splitlines()
    assert note == "No entry has all of the words. These have some of them:"
    assert heading.startswith("KEY")
    assert row.startswith("auth")
    assert "No entry" not in team.types("memory", "search", "tokens").stdout
    assert [found["is_loose"] for found in team.gets("memory", "search", "token nowhere")] == [True]
    assert [found["is_loose"] for found in team.gets("memory", "search", "tokens")] == [False]


def test_what_was_found_is_bold_on_a_terminal(team: Person) -> None:
    team.types("memory", "set", "s1", "auth", "the session token of the shop")
    assert "the session \x1b[1mtoken\x1b[0m of the shop" in on_a_terminal(team, "memory", "search", "token")
    assert "session **token** of" in on_a_terminal(team, "memory", "search", "token", NO_COLOR="1")


def test_a_large_memory_is_cleared_whole(team: Person) -> None:
    for key in ("a", "b"):
        team.types("memory", "set", "s1", key, "1")
    assert team.types("memory", "clear").stdout == "Forgot 2 versions.\n"


def test_the_beacon_is_written_and_left_alone(team: Person, tmp_path: Path) -> None:
    file = tmp_path / "STATUS.md"
    file.write_text("# ours\n")
    assert team.types("beacon", "--file", str(file)).stdout == f"Wrote {file}\n"
    assert file.read_text().startswith("# ours\n\n<!-- hallway:begin")
    assert team.gets("beacon", "--file", str(file)) == {"path": str(file), "has_changed": False}
    file.write_text("<!-- hallway:begin -->\n")
    assert team.types("beacon", "--file", str(file)).returncode == 7


def test_a_bus_is_carried_to_another(team: Person, tmp_path: Path) -> None:
    team.types("memory", "set", "s1", "k", "会话 \u202e")
    file = tmp_path / "bus.jsonl"
    file.write_text(team.types("export").stdout)
    elsewhere = {"HALLWAY_HOME": str(tmp_path / "elsewhere")}
    assert "session 2, memory 1" in team.types("import", str(file), **elsewhere).stdout
    assert "nothing" in team.types("import", str(file), **elsewhere).stdout
    assert team.types("export", **elsewhere).stdout == file.read_text()
    file.write_text(file.read_text() + "oops\n")
    done = team.types("import", str(file), "--json", **elsewhere)
    assert done.returncode == 7
    assert json.loads(done.stderr)["error"]["line"] == len(file.read_text().splitlines())


def test_an_older_folder_with_a_record_left_out_ends_with_status_1(team: Person, tmp_path: Path) -> None:
    """The project that was filled is told, and the record is named."""
    folder = tmp_path / ".sessions" / "shared_memory"
    folder.mkdir(parents=True)
    entry = {
        "entry_id": "m1",
        "key": "k",
        "type": "note",
        "value": 1,
        "session_id": "my agent",
        "timestamp": 0,
        "ttl": 0,
    }
    (folder / "memory.json").write_text(json.dumps([entry, {**entry, "entry_id": "m2", "type": "gossip"}]))
    done = team.types("import", str(folder.parent), "--project", "github.com/acme/old")
    assert done.returncode == 1
    assert "github.com/acme/old" in done.stdout
    assert "memory m2:" in done.stdout
    assert "the id 'my agent' is my%20agent" in done.stdout
    (folder / "memory.json").write_text(json.dumps([entry]))
    assert team.types("import", str(folder.parent), "--project", "github.com/acme/old").returncode == 0
    assert team.gets("memory", "get", "k", "--project", "github.com/acme/old")["session_id"] == "my%20agent"
