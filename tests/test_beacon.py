"""The beacon keeps one section of a file up to date and every other byte as it was."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from hallway.bus.local import LocalBus
from hallway.core import errors
from hallway.core.clock import FakeClock
from hallway.transfer import status_file
from hallway.transfer.status_file import BEGIN, LAST_LINE, beacon_place, watch_beacon, write_beacon

SECTION = f"{status_file.FIRST_LINE}\nold\n{LAST_LINE}\n"


@pytest.fixture
def team(bus: LocalBus) -> LocalBus:
    bus.sessions.register("s1", "alice's claude", "claude-code", current_task="mend the login")
    bus.sessions.register("s2", "bob's codex", "codex", human_user="bob", status="waiting")
    return bus


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / ".STATUS"


def outside_of_section(content: bytes) -> tuple[bytes, bytes]:
    before, _, rest = content.partition(BEGIN.encode())
    return before, rest.partition(LAST_LINE.encode())[2]


def test_it_tells_who_is_here_and_what_is_going_on(team: LocalBus, file: Path) -> None:
    team.messages.send("s1", "s2", "notification", "look", "at this")
    team.tasks.offer("s1", "s2", "review the login")
    team.memory.set("s1", "plan/auth", {"use": "JWT"}, "decision")
    assert write_beacon(team, *os.path.split(file))
    text = file.read_text()
    assert "Sessions: 2 (1 active, 1 waiting)" in text
    assert text.index("◆ waiting bob's codex (s2, codex, bob)") < text.index("○ active alice's claude (s1,")
    assert "on main: mend the login" in text
    assert "Open tasks: 1 (1 offered)\n- offered review the login" in text
    assert "Unread messages: s2 2" in text
    assert 'Memory: 1 (1 decision)\n- decision plan/auth (s1): {"use":"JWT"}' in text


def test_on_a_bus_where_nothing_happened_the_file_is_left_alone(team: LocalBus, file: Path, clock: FakeClock) -> None:
    assert write_beacon(team, *os.path.split(file))
    before = file.stat().st_mtime_ns, file.stat().st_ino
    clock.advance(60)
    team.sessions.heartbeat("s1"), team.sessions.heartbeat("s2")
    assert not write_beacon(team, *os.path.split(file))
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == before


@pytest.mark.parametrize(
    "content",
    [
        b"state: red\n",
        b"state: red",
        b"state: red\r\nnext: all\r\n",
        b"state: red\r\nnext: all",
        b"\xef\xbb\xbfstate: red\n",
        b"latin \xe9\xff\n\n\n",
        b"\n",
        b"one\r\nmixed\nends\r",
    ],
)
def test_every_other_byte_stays(team: LocalBus, file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert write_beacon(team, *os.path.split(file))
    once = file.read_bytes()
    assert once.startswith(content)
    assert (b"\r\n" in once[len(content) :]) == (b"\r\n" in content)
    assert not write_beacon(team, *os.path.split(file))
    team.sessions.update_status("s1", "idle")
    assert write_beacon(team, *os.path.split(file))
    again = file.read_bytes()
    assert outside_of_section(once) == outside_of_section(again)
    assert b"1 idle" in again


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_a_section_in_the_middle_is_replaced_in_its_place(team: LocalBus, file: Path, end: str) -> None:
    section = SECTION.replace("\n", end or "\n")
    file.write_bytes(f"before{end or chr(10)}{section}after{end}".encode())
    assert write_beacon(team, *os.path.split(file))
    content = file.read_bytes()
    assert outside_of_section(content) == (f"before{end or chr(10)}".encode(), f"{end or chr(10)}after{end}".encode())
    assert b"old" not in content


@pytest.mark.parametrize(
    "content",
    [
        f"a\n{status_file.FIRST_LINE}\nwhat may be anything\n",
        f"a\n{LAST_LINE}\nb\n",
        f"{LAST_LINE}\n{status_file.FIRST_LINE}\n",
        SECTION + SECTION,
        f"{status_file.FIRST_LINE}\n{SECTION}",
    ],
)
def test_a_broken_section_is_an_error_that_names_its_lines(team: LocalBus, file: Path, content: str) -> None:
    file.write_text(content)
    with pytest.raises(errors.FileUnusable, match=r"do not pair up, in line \d"):
        write_beacon(team, *os.path.split(file))
    assert file.read_text() == content


def test_a_read_only_file_is_an_error_and_stays(team: LocalBus, file: Path) -> None:
    file.write_text("state: red\n")
    file.chmod(0o444)
    with pytest.raises(errors.FileUnusable, match="read-only"):
        write_beacon(team, *os.path.split(file))
    assert file.read_text() == "state: red\n"


def test_what_is_no_text_file_is_an_error(team: LocalBus, tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(b"\x89PNG\0")
    for path in (tmp_path / "picture", tmp_path, tmp_path / "none" / ".STATUS"):
        with pytest.raises(errors.FileUnusable):
            write_beacon(team, *os.path.split(path))


def test_a_files_mode_is_kept(team: LocalBus, tmp_path: Path) -> None:
    (tmp_path / ".STATUS").write_text("state: red\n")
    (tmp_path / ".STATUS").chmod(0o640)
    assert write_beacon(team, str(tmp_path), ".STATUS")
    assert stat.S_IMODE((tmp_path / ".STATUS").stat().st_mode) == 0o640
    assert sorted(each.name for each in tmp_path.iterdir() if each.name != "bus") == [".STATUS"]


@pytest.mark.parametrize("file", [".STATUS", "docs/.STATUS", "docs/deep/.STATUS", "../outside/.STATUS"])
def test_no_link_of_a_repository_leads_out_of_it(team: LocalBus, tmp_path: Path, file: str) -> None:
    root, outside = tmp_path / "shop", tmp_path / "outside"
    for folder in (root, outside, outside / "deep"):
        folder.mkdir()
        (folder / ".STATUS").write_text("state: red\n")
    (root / ".STATUS").unlink()
    (root / ".STATUS").symlink_to(outside / ".STATUS")
    (root / "docs").symlink_to(outside)
    with pytest.raises(errors.FileUnusable, match=r"symbolic link|leads out"):
        write_beacon(team, str(root), file)
    for path in (outside / ".STATUS", outside / "deep" / ".STATUS"):
        assert path.read_text() == "state: red\n"
    assert (root / ".STATUS").is_symlink()
    assert sorted(os.listdir(outside)) == [".STATUS", "deep"]


def test_a_link_that_points_nowhere_makes_no_file(team: LocalBus, tmp_path: Path) -> None:
    (tmp_path / ".STATUS").symlink_to(tmp_path / "made")
    with pytest.raises(errors.FileUnusable, match="symbolic link"):
        write_beacon(team, str(tmp_path), ".STATUS")
    assert not (tmp_path / "made").exists()


MARKDOWN = ["# head", "**bold** _it_", "`code`", "[a](http://x.example)", "![i](x)", "<b>x</b>", "| a | b |", "~~x~~"]
MORE_MARKDOWN = ["&lt;b&gt;", "www.example.com", "https://x.example/a", "<!-- x -->", "\\[a]", "* a", "a_b"]


@pytest.mark.parametrize("text", MARKDOWN + MORE_MARKDOWN)
def test_text_of_sessions_is_no_markdown(team: LocalBus, file: Path, text: str) -> None:
    team.sessions.register("s3", text, "codex", current_task=text, branch=text)
    team.memory.set("s1", text, text)
    team.tasks.offer("s3", "*", text, text)
    write_beacon(team, *os.path.split(file))
    shown = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(file.read_text())
    inline = [child for token in shown for child in token.children or []]
    assert {child.type for child in inline} <= {"text", "softbreak"}
    assert {token.tag for token in shown} <= {"h2", "p", "ul", "li", ""}
    assert sum(token.type == "heading_open" for token in shown) == 1
    assert any(text in child.content for child in inline), "what was written can be read"
    assert "s://" not in file.read_text(), "GitHub makes links of addresses"


def test_a_change_by_somebody_else_in_between_is_not_lost(
    team: LocalBus, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("state: red\n")
    compose = status_file._with_section

    def meanwhile(old: bytes, lines: list[str], path: str) -> bytes:
        if b"more" not in old:
            file.write_text("state: red\nmore\n")
        return compose(old, lines, path)

    monkeypatch.setattr(status_file, "_with_section", meanwhile)
    assert write_beacon(team, *os.path.split(file))
    assert file.read_text().startswith("state: red\nmore\n")


def test_text_of_sessions_can_neither_end_the_section_nor_steer_a_terminal(team: LocalBus, file: Path) -> None:
    team.memory.set("s1", "k", f"a\n{LAST_LINE}\n\x1b[2J\u202e")
    team.sessions.register("s3", f"{LAST_LINE} \u202e", "codex", current_task="\tx" * 400)
    write_beacon(team, *os.path.split(file))
    assert not write_beacon(team, *os.path.split(file))
    text = file.read_text()
    assert text.count(f"\n{LAST_LINE}") == 1
    assert all(character.isprintable() or character == "\n" for character in text)
    assert max(map(len, text.splitlines())) < 500


def test_long_lists_are_cut_and_counted(team: LocalBus, file: Path) -> None:
    for number in range(30):
        team.memory.set("s1", f"k{number}", number)
        team.sessions.register(f"x{number}", "x", "codex")
    write_beacon(team, *os.path.split(file))
    assert "- and 12 more" in file.read_text()
    assert "- and 10 more" in file.read_text()


def test_watching_writes_when_something_happened_and_not_before(
    team: LocalBus, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    monkeypatch.setattr(
        status_file, "write_beacon", lambda bus, root, file: written.append(bus.events.last_seq()) or True
    )
    watching = watch_beacon(team, *os.path.split(file))
    assert next(watching)
    team.sessions.heartbeat("s1")
    with team.transaction():
        team.sessions.update_status("s1", "idle")
        team.memory.set("s1", "k", 1)
    assert next(watching)
    assert written == [2, 4]


def test_the_beacon_stands_at_the_root_of_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path / "repo")], check=True)
    below = tmp_path / "repo" / "src" / "deep"
    below.mkdir(parents=True)
    root = str(tmp_path / "repo")
    assert beacon_place(directory=str(below)) == (root, ".STATUS")
    assert beacon_place("docs/NOW.md", str(below)) == (root, "docs/NOW.md")
    assert beacon_place(str(tmp_path / "x"), str(below)) == (str(tmp_path), "x")
    monkeypatch.chdir(below)
    assert beacon_place() == (root, ".STATUS")
    assert beacon_place(directory=str(tmp_path)) == (str(tmp_path), ".STATUS")
    assert os.listdir(tmp_path / "repo") == [".git", "src"] or not (tmp_path / "repo" / ".STATUS").exists()
