"""Every table fits its terminal, with long names and wide letters; columns are left out in the documented order."""

from __future__ import annotations

import json
import re

import pytest

from cli.person import Person
from hallway.cli.terminal import Column, Terminal, cell_width, table

LONG = "ログインフォーム-and-all-of-its-neighbours-in-the-shop"
TASK = "ログインフォームを直す and then mend everything else around it"
TABLES = [
    ("list", "--all"),
    ("ps",),
    (),
    ("show", "s1"),
    ("messages", "s2"),
    ("inbox", "s2"),
    ("search", "login"),
    ("requests",),
    ("task", "list"),
    ("memory", "search"),
    ("memory", "get", "plan/long", "--all"),
    ("claims",),
    ("claims", "--tree"),
    ("attention",),
    ("token", "list"),
    ("stats",),
    ("doctor",),
    ("thread", "MESSAGE"),
    ("deliveries", "MESSAGE"),
    ("replies", "s1", "MESSAGE"),
    ("task", "show", "TASK"),
]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Person, dict[str, str]]:
    """A bus with something in every table, everything with a long name; and the ids of what is shown alone."""
    person = Person(tmp_path_factory.mktemp("width") / "home")
    for session_id, status in (("s1", "working"), ("s2", "waiting"), ("s3", "active")):
        name = f"login-form-and-its-neighbours-{session_id}"
        done = person.types("register", session_id, LONG, "claude-code", "--name", name, "--user", LONG)
        assert done.returncode == 0, done.stderr
        detail = ["--detail", TASK] if status == "waiting" else []
        done = person.types("status", session_id, status, "--task", TASK, *detail)
        assert done.returncode == 0, done.stderr
    for priority in ("urgent", "normal"):
        words = ("send", "s1", "s2", f"{priority} {TASK}", "the login " * 30, "--type", "request")
        assert person.types(*words, "--priority", priority).returncode == 0
    offered = json.loads(person.types("task", "offer", "s1", "s2", TASK, "x" * 300, "--json").stdout)
    sent = json.loads(person.types("send", "s1", "s2", TASK, "the login " * 30, "--type", "request", "--json").stdout)
    answered = sent["message_id"]
    for depth in range(5):
        words = (
            "reply",
            "s1" if depth % 2 else "s2",
            answered,
            f"{depth} {TASK} " * 4,
            "--data",
            '{"form": "login-form-and-its-neighbours"}',
        )
        answered = json.loads(person.types(*words, "--json").stdout)["message_id"]
    ids = {"MESSAGE": sent["message_id"], "TASK": offered["task_id"]}
    person.types("memory", "set", "s1", "plan/long", TASK * 3, "--type", "context")
    person.types("memory", "set", "s2", "plan/long", TASK * 4, "--type", "context")
    person.types("claim", "--as", "s1", "src/api/" + "deep/" * 30, "resource:" + "r" * 80, "--intent", TASK)
    person.types("token", "create", "a" * 60, "--project", "github.com/acme/shop,github.com/acme/other")
    return person, ids


@pytest.mark.promise("H5")
@pytest.mark.parametrize("columns", [20, 30, 60, 80, 120])
@pytest.mark.parametrize("words", TABLES, ids=" ".join)
def test_no_row_is_wider_than_the_terminal(
    crowd: tuple[Person, dict[str, str]], words: tuple[str, ...], columns: int
) -> None:
    person, ids = crowd
    typed = [ids.get(word, word) for word in words]
    status, text = person.on_a_terminal(*typed, COLUMNS=str(columns), LINES="200", NO_COLOR="1")
    assert status == 0, text
    lines = text.splitlines()
    assert len(lines) > 1
    # A command that somebody is to type stays on one line, which is for a narrow terminal to wrap: it can be copied.
    rows = [line for line in lines if columns >= 60 or not re.match(r"\S.*\bhallway [a-z]", line)]
    assert [line for line in rows if cell_width(line) > columns] == []


def columns_of(width: int | None) -> list[str]:
    """The headings of a table of that width whose columns are each five cells wide."""
    columns = [Column("FIRST"), Column("THIRD", drop=1), Column("OTHER", drop=3), Column("FINAL", drop=2)]
    return table(Terminal(None, width=width), columns, [["xxxxx"] * 4])[0].split()  # type: ignore[arg-type]


@pytest.mark.promise("H5")
def test_columns_are_left_out_in_their_order_and_never_without_need() -> None:
    assert columns_of(None) == columns_of(26) == ["FIRST", "THIRD", "OTHER", "FINAL"]
    assert columns_of(25) == columns_of(19) == ["FIRST", "THIRD", "FINAL"]
    assert columns_of(18) == columns_of(12) == ["FIRST", "THIRD"]
    assert columns_of(11) == columns_of(5) == ["FIRST"]
    assert columns_of(3) == ["FI…"]


@pytest.mark.parametrize("columns", ["0", "nonsense", "-5", ""])
def test_a_width_that_is_none_is_asked_of_the_terminal(crowd: tuple[Person, dict[str, str]], columns: str) -> None:
    status, text = crowd[0].on_a_terminal("list", COLUMNS=columns)
    assert status == 0
    assert "STATUS" in text


def test_where_nobody_looks_every_column_is_there_whole(crowd: tuple[Person, dict[str, str]]) -> None:
    heading, *rows = crowd[0].types("list", COLUMNS="40").stdout.splitlines()
    shown = ["STATUS", "NAME", "TYPE", "USER", "PROJECT", "TASK", "DETAIL", "SEEN", "ID"]
    assert [each for each in heading.split() if each != "BRANCH"] == shown
    assert all(TASK in row for row in rows)
