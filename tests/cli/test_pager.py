"""A pager shows what is longer than the screen, for a person at a terminal alone."""

from __future__ import annotations

import pytest

from cli.person import Person

PAGER = "sed s/^/paged:/"


@pytest.fixture
def crowd(person: Person) -> Person:
    """A person on a bus whose lists are longer than ten lines."""
    for at in range(12):
        person.types("memory", "set", "me", f"key/{at}", "value")
    return person


def shown(person: Person, *words: str, **environ: str) -> str:
    status, text = person.on_a_terminal(*words, **{"LINES": "10", "COLUMNS": "80", "TERM": "xterm", **environ})
    assert status == 0, text
    return text


@pytest.mark.parametrize("environ", [{"PAGER": PAGER}, {"HALLWAY_PAGER": PAGER, "PAGER": "false"}])
def test_what_is_longer_than_the_screen_goes_through_the_pager(crowd: Person, environ: dict[str, str]) -> None:
    lines = shown(crowd, "memory", "search", **environ).splitlines()
    assert len(lines) > 12
    assert all(line.startswith("paged:") for line in lines)


@pytest.mark.parametrize(
    ("words", "environ"),
    [
        (["memory", "search"], {"PAGER": PAGER, "LINES": "100"}),
        (["memory", "search", "--limit", "3"], {"PAGER": PAGER}),
        (["memory", "search"], {"PAGER": PAGER, "HALLWAY_PAGER": ""}),
        (["memory", "search"], {"PAGER": PAGER, "HALLWAY_PAGER": "cat"}),
        (["memory", "search"], {"PAGER": "no-such-pager-anywhere 2>/dev/null"}),
        (["memory", "search"], {"TERM": "dumb"}),
    ],
)
def test_otherwise_it_is_written_as_it_is(crowd: Person, words: list[str], environ: dict[str, str]) -> None:
    text = shown(crowd, *words, **environ)
    assert "paged:" not in text
    assert "key/" in text


def test_a_pipe_is_never_paged(crowd: Person) -> None:
    assert "paged:" not in crowd.types("memory", "search", PAGER=PAGER, LINES="10").stdout


def test_wrapped_lines_count_as_several(person: Person) -> None:
    person.types("memory", "set", "me", "long", "word " * 200)
    assert "paged:" in shown(person, "memory", "get", "long", PAGER=PAGER)


def test_a_pager_that_is_left_early_is_no_error(crowd: Person) -> None:
    assert "key/" not in shown(crowd, "memory", "search", PAGER="head -n 1 >/dev/null")
