"""The help says in plain words, in groups, what every command does."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

import pytest

from cli.person import Person
from hallway.cli.help import GROUPS, PLUMBING, described
from hallway.cli.main import build_parser
from hallway.services.messages import CollaborationHub

NOT_PLAIN = re.compile(r"\b[Rr]aises\b|\([A-Z]\d+[,)]|`")


def parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """The command line itself and every command, by its words."""
    waiting: list[tuple[str, argparse.ArgumentParser]] = [("", build_parser())]
    while waiting:
        words, parser = waiting.pop()
        yield words, parser
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                waiting += [(f"{words} {name}".strip(), each) for name, each in action.choices.items()]


PARSERS = dict(parsers())


def test_every_command_is_in_one_group() -> None:
    grouped = [name for commands in GROUPS.values() for name in commands]
    assert sorted(grouped) == sorted(words for words in PARSERS if words and " " not in words)


@pytest.mark.parametrize("words", PARSERS)
def test_help_is_plain_and_fits_eighty_columns(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = PARSERS[words].format_help()
    assert not NOT_PLAIN.search(text)
    assert [line for line in text.splitlines() if len(line) > 80] == []


def test_what_agents_and_scripts_run_is_shown_when_asked_for(person: Person) -> None:
    short, whole = person.types("--help").stdout, person.types("--help-all").stdout
    assert "Everyday:" in short
    assert PLUMBING not in short.partition("options:")[0]
    for name in GROUPS[PLUMBING]:
        assert re.search(rf"^  {name} ", whole, re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "same"), [(["help"], ["--help"]), (["help", "task", "offer"], ["task", "offer", "--help"])]
)
def test_help_is_a_command_too(person: Person, words: list[str], same: list[str]) -> None:
    assert person.types(*words).stdout == person.types(*same).stdout


def test_the_version_is_a_command_too(person: Person) -> None:
    assert person.types("version").stdout == person.types("--version").stdout


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("memory-set", "memory set"), ("lsit", "list"), ("tasklist", "task list"), ("conflcts", "conflicts")],
)
def test_a_command_that_is_not_there_is_answered_with_those_that_look_like_it(
    person: Person, typed: str, meant: str
) -> None:
    done = person.types(typed)
    assert done.returncode == 2
    assert f"Did you mean {meant}" in done.stderr


def test_a_docstring_names_parameters_as_they_are_typed() -> None:
    send = CollaborationHub.operations["send"]
    text = described(
        "Wait `reply_within_s` for `to_session` (M9, M10). Raises SessionNotFound at h.example. It ends.", send
    )
    assert text == "Wait --reply-within for TO. It ends."
    assert described("Return one; raises SessionNotFound.") == "Return one."
