"""The manual page is made of the parser, and formatters have nothing to say against it."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from cli.person import Person
from cli.test_help import PARSERS


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    done = Person(tmp_path_factory.mktemp("man") / "home").types("help", "--man")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "command",
    [
        ["groff", "-man", "-ww", "-K", "utf8", "-Tutf8"],
        ["mandoc", "-T", "lint", "-W", "warning"],  # below warnings is its style, such as long lines in the source
        ["man", "--warnings", "-l", "-"],
    ],
    ids=lambda words: words[0],
)
def test_a_formatter_has_nothing_to_warn_of(page: str, command: list[str]) -> None:
    if not shutil.which(command[0]):
        pytest.skip(f"no {command[0]} here")
    done = subprocess.run(command, input=page, capture_output=True, text=True, timeout=120, check=False)
    said = [line for line in (done.stderr + done.stdout).splitlines() if line.startswith(command[0])]
    assert [line for line in said if "missing date" not in line] == []  # the day of a build says nothing
    if command[0] != "mandoc":
        assert (done.returncode, done.stderr) == (0, "")
        assert "hallway [OPTION]... COMMAND" in " ".join(re.sub(r".\x08|\x1b\[\d*m", "", done.stdout).split())


def test_every_command_is_in_it_once(page: str) -> None:
    for words, parser in PARSERS.items():
        operation = parser.get_default("operation")
        if words and (operation is None or operation.verb == words):
            assert page.count(f".SS hallway {words.replace('-', chr(92) + '-')}\n") == 1, words


def test_no_line_of_text_is_read_as_a_request(page: str) -> None:
    requests = {line.split()[0] for line in page.splitlines() if line.startswith((".", "'"))}
    assert requests == {".TH", ".SH", ".SS", ".PP", ".TP", ".B", ".I", ".RI", ".nf", ".fi"}
