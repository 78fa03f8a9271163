"""A text that a person pipes in, or keeps in a file, instead of typing it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from cli.person import TIMEOUT_S
from hallway.cli.labels import file_flag, label
from hallway.cli.main import run
from hallway.cli.run import operations

if TYPE_CHECKING:
    from pathlib import Path

    from cli.person import Person

DIFF = "diff --git a/shop.py b/shop.py\n-old\n+new\n"


def pipes(person: Person, standard_input: bytes, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command with something at its standard input."""
    return subprocess.run(
        person.command(*words), env=person.environ, input=standard_input, capture_output=True, timeout=TIMEOUT_S
    )


def test_a_message_of_standard_input_alone_is_a_body_and_its_first_line_the_subject(team: Person) -> None:
    done = pipes(team, DIFF.encode(), "send", "s1", "s2", "-")
    assert done.returncode == 0, done.stderr
    (message,) = team.gets("inbox", "s2")
    assert message["body"] == DIFF.rstrip("\n")
    assert message["subject"] == "diff --git a/shop.py b/shop.py"


def test_a_subject_may_come_from_standard_input_beside_a_typed_body(team: Person) -> None:
    done = pipes(team, b"the build\n", "send", "s1", "s2", "-", "is green")
    assert done.returncode == 0, done.stderr
    (message,) = team.gets("inbox", "s2")
    assert (message["subject"], message["body"]) == ("the build", "is green")


@pytest.mark.parametrize(("piped", "value"), [(DIFF, DIFF.rstrip("\n")), ('{"a": [1]}\n', {"a": [1]}), ("7", 7)])
def test_a_value_may_come_from_standard_input(team: Person, piped: str, value: object) -> None:
    assert pipes(team, piped.encode(), "memory", "set", "s1", "k", "-").returncode == 0
    assert team.gets("memory", "get", "k")["value"] == value


@pytest.mark.parametrize(
    "words",
    [
        ("broadcast", "s1", "-"),
        ("broadcast", "s1", "about", "-"),
        ("send", "s1", "s2", "about", "--data", "-"),
        ("task", "offer", "s1", "s2", "-"),
        ("memory", "search", "-"),
        ("memory", "set", "s1", "k", "v", "--metadata", "-"),
        ("heartbeat", "s1", "--task", "-"),
        ("status", "s1", "working", "--task", "-"),
        ("end", "s1", "--reason", "-"),
    ],
)
def test_every_text_of_every_command_may_come_from_standard_input(team: Person, words: tuple[str, ...]) -> None:
    piped = b'{"a": 1}'
    assert pipes(team, piped, *words).returncode == 0
    assert "'-'" not in str(team.gets("messages", "s2")) + str(team.gets("show", "s1"))


def test_standard_input_fills_one_text_only(team: Person) -> None:
    done = pipes(team, b"text", "send", "s1", "s2", "-", "-")
    assert done.returncode == 2
    assert b"standard input is asked for twice: SUBJECT and BODY" in done.stderr
    assert team.gets("inbox", "s2") == []


@pytest.mark.parametrize("words", [("send", "s1", "s2", "about", "-"), ("memory", "set", "s1", "k", "-")])
def test_input_that_is_empty_or_not_utf_8_is_refused_with_what_to_do(team: Person, words: tuple[str, ...]) -> None:
    empty = pipes(team, b"", *words)
    assert empty.returncode == 2
    assert b"standard input is empty" in empty.stderr
    binary = pipes(team, b"ok \xff\xfe", *words)
    assert binary.returncode == 2
    assert b"standard input is not UTF-8: byte 3" in binary.stderr
    assert b"Traceback" not in empty.stderr + binary.stderr
    assert team.gets("inbox", "s2") == []


def test_input_over_the_limit_is_refused_without_reading_it_all(team: Person) -> None:
    with subprocess.Popen(
        team.command("send", "s1", "s2", "about", "-"),
        env=team.environ,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stderr
        process.stdin.write(b"x" * 300_000)
        process.stdin.flush()
        assert b"is the most" in process.stderr.read()  # its input is open still
    assert process.returncode == 2


def test_a_body_or_a_value_may_come_from_a_file(team: Person, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text(DIFF)
    assert team.types("send", "s1", "s2", "about", "--body-file", str(file)).returncode == 0
    (message,) = team.gets("inbox", "s2")
    assert message["body"] == DIFF.rstrip("\n")
    assert team.types("reply", "s2", message["message_id"], "--body-file", str(file)).returncode == 0
    assert team.types("memory", "set", "s1", "k", "--value-file", str(file)).returncode == 0
    assert team.gets("memory", "get", "k")["value"] == DIFF.rstrip("\n")
    assert pipes(team, b"piped", "memory", "set", "s1", "k", "--value-file", "-").returncode == 0
    assert team.gets("memory", "get", "k")["value"] == "piped"


def test_a_byte_order_mark_is_no_part_of_a_text(team: Person, tmp_path: Path) -> None:
    assert pipes(team, b'\xef\xbb\xbf{"a": 1}\n', "memory", "set", "s1", "k", "-").returncode == 0
    assert team.gets("memory", "get", "k")["value"] == {"a": 1}
    (tmp_path / "body").write_bytes(b"\xef\xbb\xbfhi\n")
    assert team.types("send", "s1", "s2", "about", "--body-file", str(tmp_path / "body")).returncode == 0
    assert team.gets("inbox", "s2")[0]["body"] == "hi"
    (tmp_path / "body").write_bytes(b"\xef\xbb\xbf")
    empty = team.types("send", "s1", "s2", "about", "--body-file", str(tmp_path / "body"))
    assert (empty.returncode, f"{tmp_path}/body is empty\nhint: Name another file" in empty.stderr) == (2, True)


def test_a_file_that_cannot_be_read_and_a_text_given_twice_are_errors(team: Person, tmp_path: Path) -> None:
    missing = team.types("memory", "set", "s1", "k", "--value-file", str(tmp_path / "missing"))
    assert (missing.returncode, missing.stdout) == (7, "")
    assert "cannot be read: No such file or directory" in missing.stderr
    file = tmp_path / "value"
    file.write_text("one")
    twice = team.types("memory", "set", "s1", "k", "two", "--value-file", str(file))
    assert twice.returncode == 2
    assert "VALUE is given twice: as a word and by --value-file" in twice.stderr
    nothing = team.types("memory", "set", "s1", "k")
    assert nothing.returncode == 2
    assert "VALUE" in nothing.stderr


def test_every_help_says_how_to_pipe_a_text(capsys: pytest.CaptureFixture[str]) -> None:
    for verb, operation in operations().items():
        if " --" in verb:
            continue
        assert run([*verb.split(), "--help"]) == 0
        shown = " ".join(capsys.readouterr().out.split())
        texts = [each for each in operation.parameters.values() if each.has_text]
        named = ", ".join(label(operation, each.name) for each in texts)
        assert (f"Write - for one of these to read it from standard input: {named}." in shown) == bool(texts), verb
        for option in filter(None, map(file_flag, texts)):
            assert f"{option} FILE" in shown
