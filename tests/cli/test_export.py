"""`hallway export` says which bus it exported and how much, and does not pass an empty one off as an export."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from cli.person import Person


def test_an_export_says_where_the_bus_is_and_how_much_went(team: Person) -> None:
    done = team.types("export")
    assert done.returncode == 0
    assert done.stderr.startswith(f"Exported from {team.bus_file} (HALLWAY_URL is not set): session 2, event 2")
    assert [json.loads(line)["record"] for line in done.stdout.splitlines()].count("session") == 2


def test_an_empty_bus_is_an_error_that_names_the_bus_and_writes_nothing(person: Person, tmp_path: Path) -> None:
    done = person.types("export")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{person.bus_file} (HALLWAY_URL is not set) does not exist" in done.stderr
    assert "hallway export --url URL" in done.stderr
    assert not person.bus_file.exists()
    assert person.types("list").returncode == 0  # which makes a bus
    done = person.types("export")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"there is nothing to export: the bus is {person.bus_file}" in done.stderr
    elsewhere = person.types("export", HALLWAY_URL=str(tmp_path / "other"))
    assert "given by HALLWAY_URL" in elsewhere.stderr


def test_a_project_without_records_is_an_error_too(team: Person) -> None:
    done = team.types("export", "--project", "github.com/acme/shopp")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing to export of the project 'github.com/acme/shopp'" in done.stderr


def test_an_empty_export_is_written_when_it_is_asked_for(person: Person) -> None:
    done = person.types("export", "--allow-empty")
    assert done.returncode == 0
    assert json.loads(done.stdout)["record"] == "hallway"
    assert done.stderr.endswith(": nothing\n")


def test_tokens_are_exported_and_imported_by_a_flag(team: Person, tmp_path: Path) -> None:
    team.types("token", "create", "alice")
    file = tmp_path / "bus.jsonl"
    file.write_text(team.types("export", "--with-tokens").stdout)
    other = str(tmp_path / "other")
    assert "--with-tokens" in team.types("import", str(file), HALLWAY_URL=other).stdout
    assert "alice" not in team.types("token", "list", HALLWAY_URL=other).stdout
    assert "token 1" in team.types("import", str(file), "--with-tokens", HALLWAY_URL=other).stdout
    assert "alice" in team.types("token", "list", HALLWAY_URL=other).stdout


def test_an_import_says_which_projects_it_filled(team: Person, tmp_path: Path) -> None:
    file = tmp_path / "bus.jsonl"
    file.write_text(team.types("export").stdout)
    other = str(tmp_path / "other")
    assert team.types("import", str(file), HALLWAY_URL=other).stdout.startswith("project  github.com/acme/shop\n")
    team.types("register", "s3", "carol's", "gemini", "--project", "github.com/acme/site")
    file.write_text(team.types("export").stdout)
    assert "projects  github.com/acme/shop, github.com/acme/site\n" in (
        team.types("import", str(file), HALLWAY_URL=other).stdout
    )


def test_an_import_of_many_projects_names_the_first_few(team: Person, tmp_path: Path) -> None:
    lines = [{"record": "memory_key", "project": f"p{number}", "key": "k", "last_version": 1} for number in range(9)]
    (tmp_path / "bus.jsonl").write_text("\n".join(map(json.dumps, lines)))
    done = team.types("import", str(tmp_path / "bus.jsonl"))
    assert done.stdout == "projects  p0, p1, p2, p3, p4 and 4 more\nadded     memory key 9\n"
    assert len(json.loads(team.types("import", str(tmp_path / "bus.jsonl"), "--json").stdout)["projects"]) == 9


def test_a_flag_of_an_import_that_would_do_nothing_is_refused(team: Person, tmp_path: Path) -> None:
    folder, file = tmp_path / ".sessions", tmp_path / "bus.jsonl"
    folder.mkdir()
    (folder / "active_sessions.json").write_text("[]")
    file.write_text(team.types("export").stdout)
    for path, *flags in (
        (file, "--project", "github.com/acme/site"),
        (file, "--allow-secret"),
        (folder, "--with-tokens"),
    ):
        done = team.types("import", str(path), *flags)
        assert (done.returncode, f"{flags[0]} is for " in done.stderr) == (2, True), done.stderr


def test_an_empty_file_is_no_export(team: Person, tmp_path: Path) -> None:
    """A redirection leaves one where `hallway export` has failed."""
    (tmp_path / "bus.jsonl").write_text("\n")
    done = team.types("import", str(tmp_path / "bus.jsonl"))
    assert (done.returncode, "bus.jsonl is empty" in done.stderr) == (7, True), done.stderr
