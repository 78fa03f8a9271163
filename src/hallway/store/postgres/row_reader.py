"""Reading the rows of a PostgreSQL result: integers, floats, booleans, and all other types as text.

psycopg's compiled reader takes a sixth of the time of a loop over the cells. Its usual loaders would return dates,
decimals and decoded JSON, where the services expect the numbers and texts that SQLite returns; so it gets other ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.adapt import AdaptersMap, Transformer
from psycopg.types.bool import BoolLoader
from psycopg.types.numeric import FloatLoader, IntLoader
from psycopg.types.string import TextLoader

if TYPE_CHECKING:
    from psycopg import pq

    from hallway.store import Row

LOADERS: dict[int, type[Any]] = {  # by the type's OID; 1700 is numeric, as a sum of bigints is; 0 is any other type
    16: BoolLoader,
    20: IntLoader,
    21: IntLoader,
    23: IntLoader,
    1700: IntLoader,
    701: FloatLoader,
    0: TextLoader,
}


class _Types:
    """The context in which psycopg looks up loaders; as it has no connection, texts are read as UTF-8."""

    connection = None

    def __init__(self) -> None:
        self.adapters = AdaptersMap()
        for number, loader in LOADERS.items():
            self.adapters.register_loader(number, loader)


_TYPES = _Types()


class RowReader:
    """Reads results into tuples; one for each connection, since it keeps state between calls."""

    def __init__(self) -> None:
        self._transformer = Transformer(_TYPES)

    def read(self, result: pq.abc.PGresult) -> list[Row]:
        """Return the rows of a result."""
        self._transformer.set_pgresult(result)
        try:
            return self._transformer.load_rows(0, result.ntuples, tuple)
        finally:
            self._transformer.set_pgresult(None)
