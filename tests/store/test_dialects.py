"""Both stores know the same statements, and what they share they read from one text."""

from __future__ import annotations

import json
import re
from pathlib import Path

import psycopg
import pytest

import postgres
from hallway.cli.main import run
from hallway.core.errors import BusIsNewer, NotWritable
from hallway.services.search import key_range
from hallway.store import FRAGMENTS, SQL, load_statements, read_folder
from hallway.store.migrate import migrations
from hallway.store.postgres.dialect import Statement, as_text
from hallway.store.postgres.fts import TsQueryWriter
from hallway.store.postgres.store import PostgresStore
from support import open_store


def test_each_store_has_every_statement() -> None:
    fast_lane = {"heartbeats.many"}  # which only a store across a network needs
    assert load_statements("sqlite").keys() == load_statements("postgres").keys() - fast_lane


def test_no_statement_is_shared_and_written_twice() -> None:
    shared, own, other = (read_folder(folder)[0] for folder in ("common", "sqlite", "postgres"))
    assert not shared.keys() & (own.keys() | other.keys())
    assert [name for name in own.keys() & other.keys() if own[name] == other[name]] == []


def test_both_take_the_same_parameters() -> None:
    words = re.compile(r"(?<!:):([a-z_]+)")
    for name, text in load_statements("sqlite").items():
        wanted = set(words.findall(text))
        if name.rpartition(".")[2] not in ("index_add", "by_relevance"):  # full text is asked in each store's own way
            assert set(Statement(load_statements("postgres")[name]).names) == wanted, name


def test_both_have_been_migrated_as_often() -> None:
    numbers = {dialect: [number for number, _ in migrations(dialect)] for dialect in ("sqlite", "postgres")}
    assert numbers["sqlite"] == numbers["postgres"] == list(range(1, len(numbers["sqlite"]) + 1))


def test_parameters_are_numbered_and_typed_by_their_names() -> None:
    statement = Statement("SELECT ':no', a::text FROM t WHERE seq > :after AND key > :after_id AND b = :kinds::json")
    assert statement.text == b"SELECT ':no', a::text FROM t WHERE seq > $1::bigint AND key > $2::text AND b = $3::json"
    assert statement.names == ("after", "after_id", "kinds")
    assert statement.values({"after": 7, "after_id": None, "kinds": True}) == [b"7", None, b"t"]
    assert as_text(['a "b"', "c\\d", None]) == b'{"a \\"b\\"","c\\\\d",NULL}'


def test_rows_have_numbers_truth_values_and_texts_and_no_types_of_one_store_alone() -> None:
    store = PostgresStore(postgres.server_url())
    row = (1, 2, 3, 4, 0.5, True, False, "Grüße 🐕", '{"a": [1]}', "2026-11-29", "{a,b}", None)
    wanted = """SELECT 1::smallint, 2::integer, 3::bigint, sum(4::bigint), 0.5::float8, TRUE, FALSE, 'Grüße 🐕',
        '{"a": [1]}'::json, '2026-11-29'::date, '{a,b}'::text[], NULL"""
    assert store._read_result(store._execute(wanted)) == [row]
    assert store._read_result(store._execute("SELECT 1 WHERE FALSE")) == []
    store.close()


@pytest.mark.parametrize(
    ("glob", "expression"),
    [
        ("task_*", r"^task\_.*$"),
        ("a.b?", r"^a\.b.$"),
        ("[0-9]", "^[0-9]$"),
        ("[^a-c]x", "^[^a-c]x$"),
        ("[]a]", r"^[\]a]$"),
        ("[a-", "^$_$"),
        ("[*]", r"^[\*]$"),
    ],
)
def test_a_glob_becomes_a_regular_expression(glob: str, expression: str) -> None:
    assert TsQueryWriter().glob(glob) == expression
    assert key_range(glob)[0] == glob.partition("*")[0].partition("?")[0].partition("[")[0]


def test_the_test_of_visibility_is_written_once() -> None:
    """As a fragment; besides, only in the two fragments that extend it by the parties of a message and of a task."""
    text = ":visible IS NULL OR project IN (SELECT value FROM json_each(:visible))"
    written = [path.name for path in Path(SQL).rglob("*.sql") if text in path.read_text(encoding="utf-8")]
    assert sorted(written) == [FRAGMENTS, "messages.sql", "tasks.sql"]


def test_every_statement_fits_the_tables(database: str) -> None:
    """Those of SQLite are asked in test_completeness.py."""
    wrong = {}
    with open_store(database) as bus:
        connection = bus.store._pgconn
        for name, text in load_statements("postgres").items():
            prepared = connection.prepare(name.encode(), Statement(text).text)
            if prepared.status != psycopg.pq.ExecStatus.COMMAND_OK:
                wrong[name] = prepared.error_message.decode()
    assert wrong == {}


def test_a_database_that_a_newer_hallway_has_written_is_refused(database: str) -> None:
    open_store(database).close()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO hallway_migrations VALUES (9999)")
    with pytest.raises(BusIsNewer):
        PostgresStore(database)


def test_messages_about_a_database_hold_no_password(database: str) -> None:
    with pytest.raises(Exception, match="does not answer") as error:
        PostgresStore("postgresql://alice:s3cret@127.0.0.1:1/bus")
    assert "s3cret" not in str(error.value)
    assert "alice:***@127.0.0.1:1/bus" in str(error.value)


def test_the_doctor_knows_a_database(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--json", "--url", database]) == 0
    before = {check["check"]: check["detail"] for check in json.loads(capsys.readouterr().out)["checks"]}
    assert before["schema"] == "there is no bus yet"
    open_store(database).close()
    assert run(["doctor", "--json", "--url", database]) == 0
    after = {check["check"]: check["detail"] for check in json.loads(capsys.readouterr().out)["checks"]}
    assert "PostgreSQL" in after["database"]
    assert "up to date" in after["schema"]
    nobody = f"http://127.0.0.1:{postgres.free_port()}"
    for address in ("postgresql://127.0.0.1:1/bus", f"{nobody},{nobody}"):
        assert run(["doctor", "--json", "--url", address]) == 1
        checks = json.loads(capsys.readouterr().out)["checks"]
        assert [check["level"] for check in checks].count("fail") == address.count("127.0.0.1")


def test_one_transaction_gives_one_instant_that_the_database_tells(database: str) -> None:
    with open_store(database) as bus:
        with bus.transaction():
            first = bus.store.now
            bus.sessions.register("alice", "agent", "codex")
            assert bus.store.now == first
        told = bus.store._connection.execute("SELECT extract(epoch FROM now())").fetchall()[0][0]
        assert abs(float(told) - first / 1e6) < 60


def test_an_address_without_a_schema_is_told(database: str) -> None:
    with pytest.raises(NotWritable, match="no schema"):
        PostgresStore(f"{database}_that_is_nowhere")
