"""What a store is: named SQL statements, run inside transactions, at the store's own time.

A store keeps rows and has no opinions; services name statements and give parameters. `sqlite.py` is the embedded
one, `postgres/` the one of many machines. The statements live in `sql/`, each under a `-- name:` line: in
`common/NOUN.sql` where both dialects read the same text, else in `DIALECT/NOUN.sql`.
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
        """A `with` block: commits at its end, rolls back when an error leaves it."""

        def __enter__(self) -> object: ...
        def __exit__(self, *exc: object) -> None: ...

    class Subscription(Protocol):
        """Hears of what was committed, by topic: only hints, so whoever waits reads the bus after each."""

        def wait(self, timeout_s: float) -> None:
            """Return at a wake-up, or after the time."""

        def interrupt(self) -> None:
            """End the current wait, or else the next one; another thread may call this."""

        def fileno(self) -> int:
            """Return what an event loop watches, -1 where there is nothing to watch."""

        def hear(self) -> set[str]:
            """Return the topics told since the last time, without waiting."""

        def has_overflowed(self) -> bool:
            """Return whether topics may have been missed since this was last asked."""

        def close(self) -> None: ...

    class FullText(Protocol):
        """How a store finds words: what it keeps of a text, and how it is asked."""

        def indexed(self, key: str, tags: str, text: str) -> dict[str, Any]:
            """Return the words of an entry, for `labelled_words`: all work that depends on its length."""

        def labelled_words(self, words: dict[str, Any], labels: Sequence[str]) -> dict[str, Any]:
            """Return what `memory.index_add` takes for an entry."""

        def words_of(self, query: str) -> list[Word]:
            """Return a query's words; what holds no letter and no digit is none."""

        def match(self, words: Sequence[Word] = (), labels: str = "", *, is_any: bool = False) -> str:
            """Return the expression for entries with these labels and all of the words, or any."""

        def labelled(self, labels: Sequence[str], any_of: Sequence[str] = ()) -> str:
            """Return the expression for entries with all of these labels and, where there are any, one of those."""

        def ranking(self, words: Sequence[Word], weights: Sequence[float], *, is_alone: bool = False) -> dict[str, Any]:
            """Return what `memory.by_relevance` ranks by, besides its `match`; alone: by nothing of other projects."""

        def glob(self, pattern: str | None) -> str | None:
            """Return a glob as the statements take it."""

    class Store(Protocol):
        """Rows, transactions and time."""

        fulltext: FullText
        is_local: bool
        changed_topics: set[str]

        @property
        def now(self) -> int:
            """Return the transaction's one instant; outside of one, the clock's (S8)."""

        def write(self, *, is_durable: bool = True) -> Transaction:
            """Return a write transaction; inside another one, a savepoint of it."""

        def exclusive(self) -> None:
            """Become the only writer until the transaction ends; a heartbeat without news does not need this."""

        def read(self) -> Transaction:
            """Return one consistent snapshot for several reads."""

        def subscribe(self, topic: str) -> Subscription:
            """Subscribe to commits that change a topic, from now until the subscription is closed."""

        def rows(self, statement: str, **parameters: Any) -> list[Row]: ...
        def one(self, statement: str, **parameters: Any) -> Row | None: ...
        def close(self) -> None: ...


SQL = os.path.join(os.path.dirname(__file__), "sql")


_files: dict[str, str] = {}


def load_statement(dialect: str, name: str) -> str:
    """Return one named statement of a dialect, reading no more than its noun's files."""
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
    """Return all named statements of a dialect, those that dialects share among them: {name: SQL}."""
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
