"""Every operation, column, event and client has each of its places."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from completeness import lacks
from hallway import store
from hallway.core.model import Task
from hallway.core.operation import operation
from hallway.core.parameters import type_of
from hallway.services.base import Service
from hallway.services.rows import record_of
from hallway.store import StatementsOnDemand, fill_in, fragments_of, load_statement, load_statements
from hallway.store.postgres.dialect import Statement
from support import open_store


def test_nothing_lacks_a_place() -> None:
    assert list(lacks()) == []


def test_a_name_without_a_word_is_an_error_that_names_the_file() -> None:
    with pytest.raises(LookupError, match=r"core/parameters\.py has no word 'estimate_s' for tasks"):
        type_of("tasks", "estimate_s")


def declare(noun: str, http: str, annotations: dict[str, str], about: str | None = "Do it.") -> None:
    def method(self: Service, task_id: str) -> None: ...

    method.__annotations__, method.__doc__ = annotations, about
    type("Board", (Service,), {"method": operation(http)(method)}, noun=noun)


@pytest.mark.parametrize(
    ("http", "annotations", "about", "said"),
    [
        ("POST /tasks/{task}", {"return": "int"}, "Do it.", "has {task} in its path, but no parameter 'task'"),
        ("POST /tasks/{task_id}", {"return": "Estimate"}, "Do it.", "returns 'Estimate'"),
        ("POST /tasks/{task_id}", {}, "Do it.", "returns ''"),
        ("POST /tasks/{task_id}", {"return": "int"}, None, "has no docstring"),
    ],
)
def test_an_incomplete_declaration_is_an_error_when_it_is_imported(
    http: str, annotations: dict[str, str], about: str | None, said: str
) -> None:
    with pytest.raises(LookupError) as error:
        declare("tasks", http, annotations, about)
    assert said in str(error.value)
    assert "tasks.method" in str(error.value)


def test_a_row_with_other_columns_is_no_record() -> None:
    with pytest.raises(LookupError, match=r"core/model\.py"):
        record_of(Task, ("t1",))


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_an_unknown_statement_is_an_error_that_names_the_file(dialect: str) -> None:
    found = (load_statements(dialect), StatementsOnDemand(dialect))
    for find in (*(each.__getitem__ for each in found), lambda name: load_statement(dialect, name)):
        with pytest.raises(LookupError, match=r"store/sql/common/tasks\.sql has no statement 'tasks\.estimate'"):
            find("tasks.estimate")


def test_a_statement_without_one_of_its_parameters_is_an_error_that_names_both(address: str) -> None:
    with open_store(address) as bus, pytest.raises(LookupError, match=r"'tasks\.get' .* needs :task_id"):
        bus.store.one("tasks.get")


def test_a_fragment_is_filled_in_as_columns_and_as_parameters() -> None:
    fragments = fragments_of("-- fragment: pair\n-- Two.\na,\nb\n\n-- name: x.y\nSELECT {pair}")
    assert fragments == {"pair": "a, b"}
    assert fill_in("INSERT INTO t ({pair}) VALUES ({:pair}, '{0.5}')", fragments) == (
        "INSERT INTO t (a, b) VALUES (:a, :b, '{0.5}')"
    )


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_a_statement_is_the_same_whether_it_is_loaded_alone_or_with_all(dialect: str) -> None:
    for name, text in load_statements(dialect).items():
        assert load_statement(dialect, name) == StatementsOnDemand(dialect)[name] == text


def test_a_process_that_outlives_an_upgrade_keeps_its_statements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "sql"
    shutil.copytree(store.SQL, installed)
    monkeypatch.setattr(store, "SQL", str(installed))
    before = load_statements("sqlite")
    statements = StatementsOnDemand("sqlite")
    shutil.rmtree(installed)
    assert {name: statements[name] for name in before} == before


def test_a_parameter_has_the_type_of_its_word() -> None:
    statement = Statement(
        "UPDATE t SET ttl_s = :ttl_s, updated_at = :updated_at, owner = :owner, seq = :seq, a = :move"
    )
    assert b"$1::bigint, updated_at = $2::bigint, owner = $3::text, seq = $4::bigint, a = $5::boolean" in statement.text
