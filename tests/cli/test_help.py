"""The help says in plain words, in groups, what every command does."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator

import pytest

from cli.person import Person
from hallway.cli.examples import EXAMPLES
from hallway.cli.help import GROUPS, PLUMBING, described
from hallway.cli.main import build_parser
from hallway.cli.run import SYNONYMS, VERBS, operations
from hallway.core import errors
from hallway.services import service_classes
from hallway.services.attention import AttentionList
from hallway.services.messages import CollaborationHub

ERRORS = "|".join(name for name, each in vars(errors).items() if isinstance(each, type))
OPERATIONS = "|".join(name for each in service_classes() for name in each.operations if "_" in name)
PYTHON = rf'\bPython\b(?! \d)|\w\(\w|\w="|\b(?:None|True|False|{ERRORS}|{OPERATIONS})\b'
NOT_PLAIN = re.compile(rf"\b[Rr]aises\b|\([A-Z]\d+[,)]|`|, and\.|\bReturns?\b|; return\b|{PYTHON}")


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
    assert sorted(grouped) == sorted(words for words in PARSERS if words and " " not in words and words not in SYNONYMS)


def test_the_verbs_that_a_command_looks_its_service_up_by_are_the_operations_verbs() -> None:
    first_words: dict[str, set[str]] = {}
    for verb, operation in operations().items():
        first_words.setdefault(operation.noun, set()).add(verb.partition(" ")[0])
    assert {noun: set(words.split()) for noun, words in VERBS.items()} == first_words


@pytest.mark.parametrize("words", PARSERS)
def test_help_is_plain_and_fits_eighty_columns(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = PARSERS[words].format_help()
    assert not NOT_PLAIN.search(text)
    assert [line for line in text.splitlines() if len(line) > 80] == []


COMMANDS = [words for words, parser in PARSERS.items() if parser.get_default("command")]


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_has_two_examples_in_its_help(words: str) -> None:
    text = PARSERS[words].format_help()
    verb = getattr(PARSERS[words].get_default("operation"), "verb", words)
    shown = [line.strip() for line in text.partition("examples:\n")[2].splitlines()]
    assert len(shown) >= 2
    assert [line for line in shown if not line.startswith(f"hallway {verb}")] == []


@pytest.mark.parametrize("line", EXAMPLES.strip().splitlines())
def test_an_example_is_a_command_line_that_hallway_takes(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HALLWAY_SESSION", "s1")
    words = shlex.split(line)[1:]
    for sign in ("<", ">"):  # what the shell takes
        words = words[: words.index(sign)] if sign in words else words
    args, unknown = build_parser().parse_known_args(words)
    assert unknown == [] or "operation" in args  # words after a flag: see main._words_left
    if "operation" in args and "-" not in words:
        named = {name: value for name, value in vars(args).items() if name in args.operation.parameters}
        for name, value in named.items():
            if isinstance(value, str) and value != "me":
                kind = args.operation.parameters[name].kind
                kind.check(name, kind.parse(name, value))


def test_help_says_what_me_and_units_are(person: Person) -> None:
    text = " ".join(person.types("send", "--help").stdout.split())
    assert "me is the session whose agent runs this command, else you." in text
    assert "Times (--expires-in, --reply-within) are in seconds, or have a unit: 90s, 15m, 12h, 30d." in text
    assert "A,B is a list" in " ".join(person.types("ack", "--help").stdout.split())
    assert "me is" not in person.types("stats", "--help").stdout


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


@pytest.mark.parametrize("words", [["--help"], ["--help-all"], ["session"], ["help", "send"], ["help", "--man"]])
def test_help_is_written_where_its_letters_are_not_there(person: Person, words: list[str]) -> None:
    done = person.types(*words, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()


@pytest.mark.parametrize("words", ["--version", "-v"])
def test_the_version_is_a_command_too(person: Person, words: str) -> None:
    assert person.types("version").stdout == person.types(words).stdout


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["ps", "--all"], ["list", "--all"]),
        (["--json", "ps"], ["--json", "list"]),
        (["session", "list"], ["list"]),
        (["session", "show", "s1"], ["show", "s1"]),
        (["message", "list", "s2"], ["messages", "s2"]),
        (["message", "send", "me", "nobody", "Hello"], ["send", "me", "nobody", "Hello"]),
        (["attention", "dismiss", "1234"], ["dismiss", "1234"]),
        (["attention", "dismiss", "--undo", "1234"], ["dismiss", "--undo", "1234"]),
    ],
)
def test_a_verb_may_come_after_its_noun(team: Person, typed: list[str], meant: list[str]) -> None:
    after_noun, alone = team.types(*typed, COLUMNS="80"), team.types(*meant, COLUMNS="80")
    assert (after_noun.returncode, after_noun.stderr) == (alone.returncode, alone.stderr)
    assert re.sub(r"\d+s", "", after_noun.stdout) == re.sub(r"\d+s", "", alone.stdout)


def test_a_session_is_renamed_and_ended_by_its_noun(team: Person) -> None:
    assert team.types("session", "rename", "s1", "login-form").returncode == 0
    assert team.types("session", "end", "login-form").returncode == 0
    assert "login-form" not in team.types("session", "list").stdout
    assert "login-form" in team.types("session", "list", "--all").stdout


def test_a_noun_alone_shows_its_commands(person: Person) -> None:
    done = person.types("session")
    assert done.returncode == 0
    assert "rename" in done.stdout


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("memory-set", "memory set"),
        ("memory-set me key value", "memory set"),
        ("lsit", "list"),
        ("lsit --all", "list"),
        ("tasklist", "task list"),
        ("conflcts", "conflicts"),
        ("sesion list", "session list"),
        ("sesion show s1", "session show"),
        ("session lst", "session list"),
        ("task ofer me s1 text", "task offer"),
        ("help sesion list", "session list"),
        ("snd me login-form Hello", "send"),
    ],
)
def test_a_command_that_is_not_there_is_answered_with_those_that_look_like_it(
    person: Person, typed: str, meant: str
) -> None:
    done = person.types(*typed.split())
    assert done.returncode == 2
    assert re.search(rf"Did you mean {meant}[ ?]", done.stderr), done.stderr


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("list --projct x", "Did you mean --project?"),
        ("list --projct=x", "Did you mean --project?"),
        ("list --json name", "--json=name"),
        ("doctor --jsn", "Did you mean --json?"),
        ("list --zzzzzz", "See: hallway list --help"),
        ("list everybody", "See: hallway list --help"),
        ("completion tcsh", "does not take tcsh\nhint: One of: bash, zsh, fish"),
        ("serve --log-format yaml", "does not take --log-format yaml\nhint: One of: text, json"),
    ],
)
def test_a_flag_that_is_not_there_is_answered_with_what_looks_like_it(person: Person, typed: str, hint: str) -> None:
    done = person.types(*typed.split())
    assert done.returncode == 2
    assert hint in done.stderr + done.stdout


def test_a_docstring_names_parameters_as_they_are_typed() -> None:
    send = CollaborationHub.operations["send"]
    text = described(
        "Wait `reply_within_s` for `to_session` (M9, M10). Raises SessionNotFound at h.example. It ends.", send
    )
    assert text == "Wait --reply-within for TO. It ends."
    assert described("Return one; raises SessionNotFound.") == "Show one."


def test_a_docstring_says_nothing_of_python_and_names_commands() -> None:
    dismiss = AttentionList.operations["dismiss"]
    text = described("Take it off; `restore` puts it back; return it.\n\nIt ends. In Python, it is a record.", dismiss)
    assert text == "Take it off; hallway dismiss --undo puts it back; show it.\n\nIt ends."
