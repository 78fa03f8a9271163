"""Commands that remove much: where they act, what they would remove, and that they ask."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cli.person import Person

SHOP, SITE = "github.com/acme/shop", "github.com/acme/site"


@pytest.fixture
def ended(team: Person) -> Person:
    """A person on a bus where a session has ended here, and one elsewhere."""
    team.types("register", "other", "carol's codex", "codex", "--project", SITE)
    for session_id in ("s2", "other"):
        assert team.types("end", session_id).returncode == 0
    return team


def offline(person: Person) -> set[str]:
    return {each["session_id"] for each in person.gets("list", "--all") if each["status"] == "offline"}


def test_clear_offline_acts_on_this_project_alone(ended: Person) -> None:
    assert ended.types("clear-offline").stdout == "Forgot 1 session.\n"
    assert offline(ended) == {"other"}


def test_clear_offline_acts_on_every_project_when_told_so(ended: Person) -> None:
    assert ended.types("clear-offline", "--all-projects").stdout == "Forgot 2 sessions.\n"
    assert offline(ended) == set()


def test_clear_offline_acts_on_the_project_that_is_named(ended: Person) -> None:
    assert ended.types("clear-offline", "--project", SITE).stdout == "Forgot 1 session.\n"
    assert offline(ended) == {"s2"}


def test_a_dry_run_says_how_many_and_removes_none(ended: Person) -> None:
    ended.types("memory", "set", "s1", "k", "one")
    ended.types("memory", "set", "s1", "l", "two")
    assert ended.types("clear-offline", "--dry-run").stdout == f"Would remove 1 offline session of {SHOP}.\n"
    everywhere = ended.types("clear-offline", "--dry-run", "--all-projects").stdout
    assert everywhere == "Would remove 2 offline sessions of every project.\n"
    assert ended.types("clear-offline", "--dry-run", "--older-than", "1h").stdout.startswith("Would remove 0 ")
    assert ended.gets("clear-offline", "--dry-run") == {"would_remove": 1, "project": SHOP}
    assert ended.types("memory", "clear", "--dry-run").stdout == f"Would remove 2 memory keys of {SHOP}.\n"
    assert ended.types("memory", "clear", "--session", "s2", "--dry-run").stdout.startswith("Would remove 0 ")
    assert offline(ended) == {"s2", "other"}
    assert ended.types("memory", "get", "k").returncode == 0


@pytest.mark.parametrize("words", [("clear-offline",), ("memory", "clear"), ("prune", "--older-than", "0s")])
def test_on_a_terminal_they_ask_first(ended: Person, words: tuple[str, ...]) -> None:
    ended.types("memory", "set", "s1", "k", "one")
    before = ended.gets("stats")
    for answer in ("", "n", "what?"):
        status, written = ended.on_a_terminal(*words, typed=f"{answer}\n")
        assert status == 1
        assert "? [y/N]" in written
        assert "nothing was removed" in written
    assert ended.gets("stats") == before
    status, written = ended.on_a_terminal(*words, typed="y\n")
    assert (status, "nothing was removed" in written) == (0, False)
    assert ended.gets("stats") != before


def test_with_yes_nothing_is_asked(ended: Person) -> None:
    status, written = ended.on_a_terminal("clear-offline", "--yes", typed="n\n")
    assert (status, "[y/N]" in written) == (0, False)
    assert offline(ended) == {"other"}


@pytest.mark.parametrize("words", [("list",), ("stats",), ("task", "list"), ("clear-offline",)])
def test_help_says_whether_a_project_left_out_means_all(team: Person, words: tuple[str, ...]) -> None:
    shown = " ".join(team.types(*words, "--help").stdout.split())
    assert ("unset, every project" in shown) != ("--all-projects" in shown)
    assert ("the one of the folder this runs in" in shown) == ("--all-projects" in shown)


def test_an_error_of_a_declined_question_is_json_when_json_is_wanted(ended: Person) -> None:
    _, written = ended.on_a_terminal("clear-offline", "--json", typed="n\n")
    assert json.loads(written[written.index("{") :])["error"]["code"] == "declined"
