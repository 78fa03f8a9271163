"""Tables that fit."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest

from hallway.cli.render.messages import thread
from hallway.cli.render.requests import requests
from hallway.cli.terminal import Column, Terminal, cut, table
from hallway.core.model import Message, Request, Thread

COLUMNS = (
    Column("ID", least=4, is_precious=True),
    Column("PROJECT", least=6, is_cut_left=True),
    Column("TASK", least=6),
)


def screen(width: int | None = None) -> Terminal:
    return Terminal(io.StringIO(), width=width)


def test_columns_are_aligned_under_their_headings():
    lines = table(screen(), COLUMNS, [("s1", "acme", "mend"), ("session-2", "b", "漢字"), ("s3", "b", "x")])
    assert lines == [
        "ID         PROJECT  TASK",
        "s1         acme     mend",
        "session-2  b        漢字",
        "s3         b        x",
    ]


def test_a_column_that_is_empty_in_every_row_is_left_out():
    assert table(screen(), COLUMNS, [("s1", "", "mend")]) == ["ID  TASK", "s1  mend"]


def test_the_widest_column_gives_way_first_and_the_id_last():
    row = ("0123456789", "github.com/acme/shop", "mend the login of the shop")
    wide, narrow, small, tiny = (table(screen(width), COLUMNS, [row])[1] for width in (40, 30, 20, 18))
    assert wide == "0123456789  …om/acme/shop  mend the log…"
    assert narrow == "0123456789  …me/shop  mend th…"
    assert small == "012…  …/shop  mend …"
    assert tiny == "012…  …shop  mend…"  # narrower than the columns should be, but no row is wider than the screen


def test_without_a_width_nothing_is_cut():
    assert "x" * 500 in table(screen(), COLUMNS, [("s1", "p", "x" * 500)])[1]


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [("abcdef", 6, "abcdef"), ("abcdef", 4, "abc…"), ("漢字漢字", 5, "漢字…"), ("漢字漢字", 4, "漢…")],
)
def test_a_cut_text_is_no_wider_than_asked(text, width, shown):
    assert cut(text, width) == shown


def test_a_path_is_cut_where_it_says_least():
    assert cut("github.com/acme/shop", 10, is_cut_left=True) == "…acme/shop"


def test_colours_are_only_where_the_screen_has_them():
    colourful = Terminal(io.StringIO(), has_colour=True)
    assert colourful.paint("x", "green") == "\x1b[32mx\x1b[0m"
    assert colourful.paint("x", "") == "x"
    assert screen().paint("x", "green") == "x"
    assert colourful.paint("\x1b[2J", "green") == "\x1b[32m␛[2J\x1b[0m"


def test_messages_that_answer_each_other_are_shown_once_each():
    """An import may hold them; no first message leads to a circle."""
    at = datetime(2026, 1, 1, tzinfo=UTC)

    def message(name, answers):
        return Message.of(
            (
                name,
                1,
                "response",
                "s1",
                "s2",
                "p",
                f"subject of {name}",
                "",
                {},
                "normal",
                answers,
                "a",
                None,
                at,
                None,
                None,
            )
        )

    found = Thread.of(("a", [message("a", "b"), message("b", "a"), message("c", "c")], []))
    shown = "\n".join(thread(screen(), found, {}))
    assert [shown.count(f"subject of {name}") for name in "abc"] == [1, 1, 1]


@pytest.mark.promise("M9")
def test_requests_say_how_they_stand_and_when_they_are_due() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)

    def request(state: str, minutes: int | None) -> Request:
        due = at + timedelta(minutes=minutes) if minutes is not None else None
        return Request.of(("m", 7, "alice", "*", "p", "which port?", "normal", "m", state, at, at, due, None))

    on_screen = screen()
    on_screen.now_s = (at + timedelta(minutes=5)).timestamp()
    lines = requests(on_screen, [request("open", 10), request("recipient_gone", 2), request("answered", 2)], {})
    assert [line.split() for line in lines[1:4]] == [
        ["○", "open", "alice", "everybody", "which", "port?", "5m", "in", "5m", "m"],
        ["×", "recipient", "gone", "alice", "everybody", "which", "port?", "5m", "3m", "ago", "m"],
        ["✓", "answered", "alice", "everybody", "which", "port?", "5m", "m"],
    ]
    assert requests(on_screen, [], {"unanswered": True}) == ["No request waits for an answer."]
