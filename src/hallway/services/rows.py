"""Rows as records: a statement returns the columns of a record in the order of its fields."""

from __future__ import annotations

from hallway.core.clock import to_datetime
from hallway.core.schema import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias, TypeVar

    from hallway.core.model import Record
    from hallway.store import Row

    R = TypeVar("R", bound=Record)
    Reader: TypeAlias = Callable[[Any], Any]

_readers: dict[type[Record], list[tuple[int, Reader]]] = {}


def record_of(kind: type[R], row: Row) -> R:
    """Return a row as a record: times as datetimes, JSON decoded. Raises LookupError if it has other columns."""
    if len(row) != len(kind._fields):
        raise LookupError(
            f"a row of {len(row)} columns is no {kind.__name__} of {len(kind._fields)} fields: its columns in"
            f" src/hallway/store/sql/ and its fields in src/hallway/core/model.py must be the same: {kind._fields}"
        )
    readers = _readers.get(kind)
    if readers is None:
        readers = _readers[kind] = [
            (place, read)
            for place, annotation in enumerate(kind.__annotations__.values())
            if (read := _reader(annotation)) is not None
        ]
    values = list(row)
    for place, read in readers:
        if values[place] is not None:
            values[place] = read(values[place])
    return kind.of(tuple(values))


def _reader(annotation: str) -> Reader | None:
    """Return the function that converts a column to a field of this annotation; None if nothing has to be converted."""
    if annotation.startswith("datetime"):
        return to_datetime
    return _decoded if annotation.startswith(("dict[", "list[", "Json")) else None


def _decoded(text: str) -> Any:
    return {} if text == "{}" else decode(text)
