"""What an operation, a column or a client still needs: a sentence for each missing place, which names the file.

`python tests/completeness.py` prints them and fails if there are any. It imports no test, so that it runs on a copy of
the source, too: `docs/test_recipes.py` leaves out each place of the recipes in CONTRIBUTING.md.
"""

from __future__ import annotations

import ast
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw

import hallway
from hallway.agents.client_parts import adapter_of, installer_of
from hallway.bus.base import Bus
from hallway.cli.render import renderer_of
from hallway.core import model
from hallway.core.operation import Operation
from hallway.core.record_fields import describe
from hallway.local.client_catalog import CATALOG
from hallway.local.workspace import NoWorkspace
from hallway.store import Statements, load_statements, read_folder
from hallway.store.migrate import migrations, read_migration
from hallway.store.postgres.dialect import PARAMETER, type_of
from hallway.store.sqlite import SQLiteStore
from hallway.text.style import EVENT_WORDS

SOURCE = Path(hallway.__file__).parent
SQL = "src/hallway/store/sql"
DIALECTS = ("sqlite", "postgres")
STATEMENTS = {dialect: load_statements(dialect) for dialect in DIALECTS}
ADDED = re.compile(r"ALTER TABLE (\w+) ADD COLUMN (\w+)", re.IGNORECASE)
SQL_TYPES = {"INTEGER": ("bigint", "boolean"), "REAL": ("double precision",), "TEXT": ("text",)}
NOT_SHOWN = {"entry_id"}  # by which a person finds nothing
KIND = re.compile(r"[a-z]+\.[a-z_]*[a-z]")  # of an event, or a statement's name


def lacks() -> Iterator[str]:
    """Every missing place, as a sentence."""
    for check in CHECKS:
        yield from check()


def operations() -> list[Operation]:
    return [each for service in Bus(NoWorkspace()).services.values() for each in service.operations.values()]


def renderers() -> Iterator[str]:
    for operation in operations():
        if operation.verb:
            try:
                renderer_of(operation)
            except LookupError as error:
                yield str(error)


def shown_fields() -> Iterator[str]:
    """Fields of a record that the command which shows one in full does not show."""
    for operation in operations():
        kind, is_list = operation.returns
        if operation.verb and operation.path.endswith("}") and not operation.is_write and not is_list:
            text = (SOURCE / "cli" / "render" / f"{operation.noun}.py").read_text(encoding="utf-8")
            for field in getattr(kind, "_fields", ()):
                if field not in NOT_SHOWN and not re.search(rf"\.{field}\b", text):
                    yield f"src/hallway/cli/render/{operation.noun}.py does not show {field!r} of {kind.__name__}"


def field_texts() -> Iterator[str]:
    for record in model.Record.__subclasses__():
        if record.__module__ == model.__name__:
            for field in record._fields:
                try:
                    describe(record, field)
                except LookupError as error:
                    yield str(error)


def service_calls() -> Iterator[tuple[str, ast.Constant]]:
    """The texts in the services that look like a statement's name or an event's kind."""
    for path in sorted((SOURCE / "services").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and KIND.fullmatch(node.value):
                yield f"src/hallway/services/{path.name}", node


def statements() -> Iterator[str]:
    """Statements that a service runs by name and that a dialect has not."""
    nouns = {name.partition(".")[0] for name in STATEMENTS["sqlite"]} | {each.noun for each in operations()}
    for path, text in service_calls():
        if text.value.partition(".")[0] in nouns and text.value not in EVENT_WORDS:
            yield from (f"{path}: {error}" for each in STATEMENTS.values() if (error := _missing(each, text.value)))


def _missing(known: Statements, name: str) -> str:
    try:
        known[name]
    except LookupError as error:
        return str(error)
    return ""


def fragments() -> Iterator[str]:
    """Fragments of a record's columns that differ from the record's fields."""
    records = {f"{each.__name__.lower()}_columns": each for each in model.Record.__subclasses__()}
    for name, columns in read_folder("common")[1].items():
        if (record := records.get(name)) is None:
            continue
        file = f"{SQL}/common/{record.__name__.lower()}s.sql"
        found = [column.rpartition(" AS ")[2].rpartition(".")[2] for column in columns.split(", ")]
        for field in record._fields:
            if field not in found:
                yield f"{file}: the fragment {name} lacks {field!r}, a field of {record.__name__} in core/model.py"
        for column in found:
            if column not in record._fields:
                yield (
                    f"src/hallway/core/model.py: {record.__name__} lacks the field {column!r}, a column of {name} in"
                    f" {file}"
                )
        if sorted(found) == sorted(record._fields) and tuple(found) != record._fields:
            yield f"{file}: the fragment {name} has the fields of {record.__name__} in another order: {record._fields}"


def tables() -> Iterator[str]:
    """Statements that do not fit SQLite's tables; `store/test_dialects.py` has a PostgreSQL prepare its own."""
    with new_bus() as connection:
        for name, text in STATEMENTS["sqlite"].items():
            try:
                connection.execute(f"EXPLAIN {text}", {each: None for each, _ in PARAMETER.findall(text) if each})
            except apsw.SQLError as error:
                yield (
                    f"{SQL}: the statement {name!r} does not fit the tables that sqlite/migrations/ makes: {error}. A"
                    f" new column is a new migration in {SQL}/sqlite/migrations/ and in {SQL}/postgres/migrations/"
                )


def types() -> Iterator[str]:
    """Parameters that have a column's name and, on PostgreSQL, the type of none of these columns."""
    untyped = {
        name for text in STATEMENTS["postgres"].values() for name, cast in PARAMETER.findall(text) if name and not cast
    }
    kinds: dict[str, set[str]] = {}
    for column, kind in columns():
        kinds.setdefault(column, set()).update(SQL_TYPES.get(kind.upper(), ()))
    for name in sorted(untyped & kinds.keys()):
        if kinds[name] and type_of(name) not in kinds[name]:
            yield (
                f"src/hallway/store/postgres/dialect.py: the parameter :{name} is {type_of(name)} there, and the column"
                f" {name} is {' or '.join(sorted(kinds[name]))}: add {name!r} to the list of its type"
            )


def columns() -> list[tuple[str, str]]:
    """The columns of SQLite's tables, each with its type."""
    with new_bus() as connection:
        return connection.execute(
            "SELECT c.name, c.type FROM sqlite_schema AS m, pragma_table_info(m.name) AS c WHERE m.type = 'table'"
        ).fetchall()


@contextmanager
def new_bus() -> Iterator[apsw.Connection]:
    with tempfile.TemporaryDirectory() as folder, closing(SQLiteStore(f"{folder}/bus.db")) as store:
        yield store._connection


def migration_pairs() -> Iterator[str]:
    """Migrations that only one dialect has, or that add other columns in the other."""
    added = {
        dialect: {number: set(ADDED.findall(read_migration(path))) for number, path in migrations(dialect)}
        for dialect in DIALECTS
    }
    for dialect, other in (DIALECTS, DIALECTS[::-1]):
        for number, found in added[other].items():
            if number not in added[dialect]:
                yield f"{SQL}/{dialect}/migrations/ has no migration {number:04}, which {other}/migrations/ has"
            else:
                for table, column in sorted(found - added[dialect][number]):
                    yield (
                        f"{SQL}/{dialect}/migrations/{number:04} does not add the column {table}.{column}, which that"
                        f" of {other} adds"
                    )


def event_words() -> Iterator[str]:
    known = STATEMENTS["sqlite"].keys() | STATEMENTS["postgres"].keys() | EVENT_WORDS.keys()
    nouns = {each.noun for each in operations()}
    for path, text in service_calls():
        if text.value not in known and text.value.partition(".")[0] not in nouns:
            yield f"src/hallway/text/style.py: EVENT_WORDS has no word for {text.value!r}, an event of {path}"


def clients() -> Iterator[str]:
    """Clients with a row and no folder, or with a folder and no row."""
    folders = {path.name for path in (SOURCE / "agents" / "clients").iterdir() if (path / "__init__.py").exists()}
    names = {name.replace("-", "_") for name in CATALOG}
    for name in sorted(folders - names):
        yield f"src/hallway/local/client_catalog.py: no row of CATALOG is for the client in agents/clients/{name}/"
    for client in CATALOG:
        folder = f"src/hallway/agents/clients/{client.replace('-', '_')}"
        for part, value, load in (("hook", "ADAPTER", adapter_of), ("install", "CLIENT", installer_of)):
            try:
                load(client)
            except (ModuleNotFoundError, AttributeError) as error:
                yield f"{folder}/{part}.py has to define {value}, for {client!r} is in the catalogue: {error}"


CHECKS = (
    renderers,
    shown_fields,
    field_texts,
    statements,
    fragments,
    tables,
    types,
    migration_pairs,
    event_words,
    clients,
)


def main() -> int:
    found = list(lacks())
    print(*found, sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
