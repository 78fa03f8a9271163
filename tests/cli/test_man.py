"""The manual page is made of the parser, and formatters have nothing to say against it."""

from __future__ import annotations

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


@pytest.mark.parametrize("command", [["groff", "-man", "-ww", "-K", "utf8", "-Tutf8"], ["mandoc", "-T", "lint"]])
def test_a_formatter_has_nothing_to_warn_of(page: str, command: list[str]) -> None:
    if not shutil.which(command[0]):
        pytest.skip(f"no {command[0]} here")
    done = subprocess.run(command, input=page, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_is_in_it_once(page: str) -> None:
    for words, parser in PARSERS.items():
        operation = parser.get_default("operation")
        if words and (operation is None or operation.verb == words):
            assert page.count(f".SS hallway {words.replace('-', chr(92) + '-')}\n") == 1, words


def test_no_line_of_text_is_read_as_a_request(page: str) -> None:
    requests = {line.split()[0] for line in page.splitlines() if line.startswith((".", "'"))}
    assert requests == {".TH", ".SH", ".SS", ".PP", ".TP", ".B", ".I", ".RI", ".nf", ".fi"}
