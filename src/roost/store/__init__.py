"""What a store is: named SQL statements, run inside transactions, at the store's own time.

A store keeps rows and has no opinions; services name statements and give parameters. `sqlite.py` is the embedded
one. The statements live in `sql/DIALECT/NOUN.sql`, each under a `-- name:` line.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol, TypeAlias

    Row: TypeAlias = tuple[Any, ...]

    class Transaction(Protocol):
        """A `with` block: commits at its end, rolls back when an error leaves it."""

        def __enter__(self) -> object: ...
        def __exit__(self, *exc: object) -> None: ...

    class Store(Protocol):
        """Rows, transactions and time."""

        @property
        def now(self) -> int:
            """The transaction's one instant; outside of one, the clock's (S8)."""

        def write(self, *, is_durable: bool = True) -> Transaction:
            """A write transaction; inside another one, a savepoint of it."""

        def read(self) -> Transaction:
            """One consistent snapshot for several reads."""

        def rows(self, statement: str, **parameters: Any) -> list[Row]: ...
        def one(self, statement: str, **parameters: Any) -> Row | None: ...
        def changes_seen(self) -> int:
            """A number that differs once another process or connection has committed."""

        def close(self) -> None: ...


SQL = os.path.join(os.path.dirname(__file__), "sql")


def load_statements(dialect: str) -> dict[str, str]:
    """All named statements of a dialect: {name: SQL}."""
    statements = {}
    folder = os.path.join(SQL, dialect)
    for entry in sorted(os.listdir(folder)):
        if entry.endswith(".sql"):
            with open(os.path.join(folder, entry), encoding="utf-8") as file:
                for part in file.read().split("-- name: ")[1:]:
                    name, _, text = part.partition("\n")
                    statements[name.strip()] = "\n".join(
                        line for line in text.splitlines() if not line.startswith("--")
                    ).strip()
    return statements
