"""`--json=FIELD,…` and `--format TEMPLATE`: the fields that a script asks for, in its order."""

from __future__ import annotations

import json

import pytest

from cli.person import Person
from hallway.cli.run import operations


def test_only_the_fields_that_are_named_come_in_their_order(team: Person) -> None:
    done = team.types("list", "--json=status,session_id")
    assert sorted([*each.items()] for each in json.loads(done.stdout)) == [
        [("status", "active"), ("session_id", "s1")],
        [("status", "waiting"), ("session_id", "s2")],
    ]
    assert json.loads(team.types("show", "s1", "--json=name").stdout) == {"name": "s1"}


def test_a_template_is_filled_for_each_record(team: Person) -> None:
    done = team.types("list", "--format", r"$session_id\t${status}: costs 5$$, $current_task")
    assert sorted(done.stdout.splitlines()) == ["s1\tactive: costs 5$, ", "s2\twaiting: costs 5$, "]
    assert team.types("show", "s1", "--format", "$capabilities $started_at").stdout.startswith('["go","review"] 20')


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--json=nam"], "--json names 'nam', which the result of hallway list does not have"),
        (["--json="], "--json names no field"),
        (["--json=,"], "--json names no field"),
        (["--format", "$nam"], "--format names 'nam', which the result of hallway list does not have"),
        (["--format", "$name.upper $"], "--format '$name.upper $' has a $ that no field follows"),
        (["--format", "${name!r}"], "has a $ that no field follows"),
    ],
)
def test_an_unknown_field_is_refused_with_those_that_there_are(team: Person, words: list[str], message: str) -> None:
    done = team.types("list", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "name" in done.stderr
    assert done.stdout == ""


@pytest.mark.promise("H5")
def test_a_write_with_an_unknown_field_writes_nothing(team: Person) -> None:
    assert team.types("rename", "s1", "login-form", "--json=nme").returncode == 2
    assert team.gets("show", "s1")["name"] == "s1"


def test_an_error_is_json_when_fields_are_asked_for(team: Person) -> None:
    done = team.types("show", "nobody", "--json=name")
    assert json.loads(done.stderr)["error"]["code"] == "session_not_found"


@pytest.mark.parametrize("words", [["doctor", "--json=checks"], ["doctor", "--format", "$checks"]])
def test_what_is_no_operation_has_no_fields(person: Person, words: list[str]) -> None:
    done = person.types(*words)
    assert done.returncode == 2
    assert "has no fields to choose with" in done.stderr


def test_a_result_that_is_a_number_has_no_fields(team: Person) -> None:
    done = team.types("ack", "s1", "a", "--json=count")
    assert done.returncode == 2
    assert "the result of hallway ack has no fields for --json" in done.stderr


def test_text_of_others_in_a_template_is_made_harmless(person: Person) -> None:
    person.types("register", "s1", "alice", "script", "--name", "s1")
    person.types("memory", "set", "s1", "k", "a\x1b[31mred\nnext")
    shown = person.types("memory", "get", "k", "--format", "$value").stdout
    assert "\x1b" not in shown
    assert len(shown.splitlines()) == 1


def test_a_word_after_two_dashes_is_no_option(team: Person) -> None:
    done = team.types("send", "me", "s1", "--", "--json=name")
    assert done.returncode == 0
    assert team.gets("inbox", "s1")[0]["subject"] == "--json=name"


def test_json_is_every_field_of_the_record(team: Person) -> None:
    fields = operations()["list"].returns[0]._fields
    assert [tuple(each) for each in team.gets("list")] == [fields, fields]
