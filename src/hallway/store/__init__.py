"""The interface of a store, and the loader of its named SQL statements.

A store runs named statements in transactions and decides nothing; services choose the statements and their parameters.
`sqlite.py` is the embedded store, `postgres/` the store for several machines. The statements are in `sql/`, each under
a `-- name:` line: in `common/NOUN.sql` if both dialects use the same text, else in `DIALECT/NOUN.sql`. What several
statements repeat, such as the columns of a record, is a fragment: `-- fragment: name` before the first statement of
`common/NOUN.sql`, or in `common/fragments.sql` if several nouns use it; a statement uses it as `{name}`.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
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

        def receive(self) -> set[str]:
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

        is_local: bool
        changed_topics: set[str]

        @property
        def fulltext(self) -> FullText:
            """Return the writer of this store's full-text queries."""

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

        def change(self, statement: str, **parameters: Any) -> None:
            """Run a statement and ignore its rows; it may be sent with the next one, which then raises its error."""

        def read_ahead(self, *reads: tuple[str, dict[str, Any]]) -> None:
            """Run the reads that come next in one round trip, if the store is across a network."""

        def close(self) -> None: ...


SQL = os.path.join(os.path.dirname(__file__), "sql")
NAME, FRAGMENT = "-- name: ", "-- fragment: "
FRAGMENTS = "fragments.sql"


class Statements(dict[str, Any] if TYPE_CHECKING else dict):  # type: ignore[misc]
    """The statements of a dialect by name; an unknown name is an error that says which file needs it."""

    def __missing__(self, name: str) -> Any:
        raise missing_statement(name)


class StatementsOnDemand(Statements):
    """The statements of a dialect, each loaded when it is first used: a short command uses few of them.

    `prepare` makes what is kept of a statement's text. Their files are read at once, so a process that outlives an
    upgrade keeps the statements that it began with.
    """

    def __init__(self, dialect: str, prepare: Callable[[str], Any] = str) -> None:
        super().__init__()
        self._dialect = dialect
        self._prepare = prepare
        for folder in (dialect, "common"):
            for file in _files_of(folder):
                _read_once(folder, file)

    def __missing__(self, name: str) -> Any:
        statement = self[name] = self._prepare(load_statement(self._dialect, name))
        return statement


def missing_statement(name: str) -> LookupError:
    """Return the error for a name without a statement."""
    file = f"{name.partition('.')[0]}.sql"
    return LookupError(
        f"src/hallway/store/sql/common/{file} has no statement {name!r}: write it there under {NAME + name!r}, or in"
        f" the {file} of both dialects"
    )


def missing_parameter(statement: str, name: str) -> LookupError:
    """Return the error for a statement that is run without one of its parameters."""
    return LookupError(f"the statement {statement!r} in src/hallway/store/sql/ needs :{name}: pass {name}= with it")


_files: dict[str, str] = {}
_names: dict[str, list[str]] = {}


def load_statement(dialect: str, name: str) -> str:
    """Return one named statement of a dialect; only the files that it needs are read. Raises LookupError."""
    file = f"{name.partition('.')[0]}.sql"
    for folder in (dialect, "common"):
        _, separator, rest = _read_once(folder, file).partition(f"{NAME}{name}\n")
        if separator:
            statement = _without_comments(rest.partition(NAME)[0])
            if "{" in statement:
                for other in (file, FRAGMENTS):
                    statement = fill_in(statement, fragments_of(_read_once("common", other)))
            if "{" in statement:  # a fragment of another noun
                for other in _files_of("common"):
                    statement = fill_in(statement, fragments_of(_read_once("common", other)))
            return statement
    raise missing_statement(name)


def _files_of(folder: str) -> list[str]:
    path = os.path.join(SQL, folder)
    if path not in _names:
        _names[path] = sorted(file for file in os.listdir(path) if file.endswith(".sql"))
    return _names[path]


def _read_once(folder: str, file: str) -> str:
    path = os.path.join(SQL, folder, file)
    if path not in _files:
        try:
            with open(path, "rb", buffering=0) as opened:
                _files[path] = opened.read().decode()
        except FileNotFoundError:  # a noun whose statements are all in the other folder
            _files[path] = ""
    return _files[path]


def load_statements(dialect: str) -> Statements:
    """Return all named statements of a dialect, including the shared ones, with their fragments filled in."""
    shared, fragments = read_folder("common")
    own, _ = read_folder(dialect)
    return Statements((name, fill_in(text, fragments)) for name, text in {**shared, **own}.items())


def read_folder(folder: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the named statements of one folder, as they are written, and its fragments."""
    statements, fragments = {}, {}
    for file in _files_of(folder):
        text = _read_once(folder, file)
        fragments.update(fragments_of(text))
        for part in text.split(NAME)[1:]:
            name, _, lines = part.partition("\n")
            statements[name.strip()] = _without_comments(lines)
    return statements, fragments


def fragments_of(text: str) -> dict[str, str]:
    """Return the fragments of a file: they are before its first statement, each on lines that become one."""
    fragments = {}
    for part in text.partition(NAME)[0].split(FRAGMENT)[1:]:
        name, _, lines = part.partition("\n")
        fragments[name.strip()] = " ".join(_without_comments(lines).split())
    return fragments


def fill_in(statement: str, fragments: dict[str, str]) -> str:
    """Replace `{name}` by the fragment of that name, and `{:name}` by its columns as parameters."""
    if "{" in statement:
        for name, columns in fragments.items():
            statement = statement.replace(f"{{{name}}}", columns)
            statement = statement.replace(f"{{:{name}}}", f":{columns}".replace(", ", ", :"))
    return statement


def _without_comments(lines: str) -> str:
    return "\n".join(line for line in lines.splitlines() if not line.startswith("--")).strip()
