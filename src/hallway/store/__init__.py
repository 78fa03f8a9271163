"""The interface of a store, and the loader of its named SQL statements.

A store runs named statements in transactions and decides nothing; services choose the statements and their parameters.
`sqlite.py` is the embedded store, `postgres/` the store for several machines. The statements are in `sql/`, each under
a `-- name:` line: in `common/NOUN.sql` if both dialects use the same text, else in `DIALECT/NOUN.sql`.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Protocol, TypeAlias

    from hallway.store.tokenize import Word

    Row: TypeAlias = tuple[Any, ...]

    class Transaction(Protocol):
        """A `with` block that commits at its end, and rolls back if it ends with an exception."""

        def __enter__(self) -> object: ...
        def __exit__(self, *exc: object) -> None: ...

    class Subscription(Protocol):
        """A subscription to the topics that commits change. A wake-up is only a hint: read the bus after each."""

        def wait(self, timeout_s: float) -> None:
            """Return at a wake-up, or when the timeout has passed."""

        def interrupt(self) -> None:
            """End the current wait, or else the next one; another thread may call this."""

        def fileno(self) -> int:
            """Return the file descriptor for an event loop to watch, or -1 if there is none."""

        def hear(self) -> set[str]:
            """Return the topics received since the last call, without waiting."""

        def has_overflowed(self) -> bool:
            """Return whether topics may have been missed since the last call."""

        def close(self) -> None: ...

    class FullText(Protocol):
        """A store's full-text search: the words that it indexes, and the query expressions that it understands."""

        def indexed(self, key: str, tags: str, text: str) -> dict[str, Any]:
            """Return an entry's words for `labelled_words`; all work that depends on the entry's length is here."""

        def labelled_words(self, words: dict[str, Any], labels: Sequence[str]) -> dict[str, Any]:
            """Return an entry's words and labels as the parameters of the statement `memory.index_add`."""

        def words_of(self, query: str) -> list[Word]:
            """Return a query's words; a part without letters and digits is not a word."""

        def match(self, words: Sequence[Word] = (), labels: str = "", *, is_any: bool = False) -> str:
            """Return the expression for entries that have these labels and all of the words, or any of the words."""

        def labelled(self, labels: Sequence[str], any_of: Sequence[str] = ()) -> str:
            """Return the expression for entries with all `labels` and, unless `any_of` is empty, one of `any_of`."""

        def ranking(self, words: Sequence[Word], weights: Sequence[float], *, is_alone: bool = False) -> dict[str, Any]:
            """Return the ranking parameters of `memory.by_relevance`; `is_alone` leaves other projects out of them."""

        def glob(self, pattern: str | None) -> str | None:
            """Return a glob as a pattern for this store's statements."""

    class Store(Protocol):
        """A store of rows, with transactions and a clock."""

        fulltext: FullText
        is_local: bool
        changed_topics: set[str]

        @property
        def now(self) -> int:
            """Return the transaction's timestamp; outside of a transaction, the current time (S8)."""

        def write(self, *, is_durable: bool = True) -> Transaction:
            """Return a write transaction; inside another transaction, a savepoint of that one."""

        def exclusive(self) -> None:
            """Become the only writer until the transaction ends; an unchanged heartbeat does not need this."""

        def read(self) -> Transaction:
            """Return a read transaction: one consistent snapshot for several reads."""

        def subscribe(self, topic: str) -> Subscription:
            """Subscribe to commits that change a topic, from now until the subscription is closed."""

        def rows(self, statement: str, **parameters: Any) -> list[Row]: ...
        def one(self, statement: str, **parameters: Any) -> Row | None: ...
        def close(self) -> None: ...


SQL = os.path.join(os.path.dirname(__file__), "sql")


_files: dict[str, str] = {}


def load_statement(dialect: str, name: str) -> str:
    """Return one named statement of a dialect; only the files of its noun are read."""
    for folder in (dialect, "common"):
        path = os.path.join(SQL, folder, f"{name.partition('.')[0]}.sql")
        if path not in _files:
            with open(path, encoding="utf-8") as file:
                _files[path] = file.read()
        _, found, rest = _files[path].partition(f"-- name: {name}\n")
        if found:
            return rest.partition("-- name: ")[0]
    raise KeyError(name)


def load_statements(dialect: str) -> dict[str, str]:
    """Return all named statements of a dialect, including the shared ones: {name: SQL}."""
    return {**statements_in("common"), **statements_in(dialect)}


def statements_in(folder: str) -> dict[str, str]:
    """Return the named statements of one folder."""
    statements = {}
    folder = os.path.join(SQL, folder)
    for entry in sorted(os.listdir(folder)):
        if entry.endswith(".sql"):
            with open(os.path.join(folder, entry), encoding="utf-8") as file:
                for part in file.read().split("-- name: ")[1:]:
                    name, _, text = part.partition("\n")
                    statements[name.strip()] = "\n".join(
                        line for line in text.splitlines() if not line.startswith("--")
                    ).strip()
    return statements
