"""Optional filters: SQLite reads the rows of one project by an index, and all of a call's filters hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hallway.store import load_statements
from hallway.store.optional_filters import FilteredStatement, with_optional_filters
from support import open_store

BY_PROJECT = [
    name
    for name, text in load_statements("sqlite").items()
    if re.search(r"\(:project IS NULL OR (\w+\.)?project = :project\)", text)
]
READ_OTHERWISE = {
    "messages.inboxes",  # recipient by recipient
    "messages.by_relevance",  # through the full-text index, whose labels have the project
    "messages.count_matches",
}


@pytest.mark.parametrize("name", sorted(set(BY_PROJECT) - READ_OTHERWISE))
def test_a_list_of_one_project_is_found_through_an_index(tmp_path: Path, name: str) -> None:
    statement = with_optional_filters(load_statements("sqlite")[name])
    assert isinstance(statement, FilteredStatement)
    parameters = dict.fromkeys(re.findall(r"(?<!:):([a-z_]+)", statement.text), None)
    text = statement.text_for({**parameters, "project": "github.com/acme/shop"})
    with open_store(str(tmp_path / "bus.db")) as bus:
        plan = [row[3] for row in bus.store._connection.execute(f"EXPLAIN QUERY PLAN {text}", parameters).fetchall()]
    assert any("(project=?" in step or "session_id=?" in step for step in plan), plan
    assert not [step for step in plan if re.fullmatch(r"SCAN (sessions|messages|tasks|requests|claims|events)", step)]


def test_each_combination_of_filters_is_one_text_without_what_is_left_out() -> None:
    text = "SELECT 1 FROM t WHERE (:owner IS NULL OR t.owner = :owner) AND (:id IS NULL OR id < :id) AND a = :a"
    statement = with_optional_filters(text)
    assert isinstance(statement, FilteredStatement)
    assert statement.text_for({"owner": "s1", "id": None, "a": 1}) == (
        "SELECT 1 FROM t WHERE t.owner = :owner AND (:id IS NULL OR id < :id) AND a = :a"
    )
    left_out = statement.text_for({"owner": None, "id": 2, "a": 1})
    assert left_out == "SELECT 1 FROM t WHERE TRUE AND (:id IS NULL OR id < :id) AND a = :a"
    with pytest.raises(KeyError, match="owner"):
        statement.text_for({"id": None})


@pytest.mark.parametrize(
    "text",
    ["SELECT 1", "a = :b", "(:a IS NULL OR a > :a)", "(:a IS NULL OR b = :c)", "(:a IS NULL OR f(a) = :a)"],
)
def test_other_statements_stay_as_they_are(text: str) -> None:
    assert with_optional_filters(text) == text
