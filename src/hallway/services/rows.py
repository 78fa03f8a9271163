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
    Reader: TypeAlias = Callable[[Any], Any] | None

_readers: dict[type[Record], tuple[Reader, ...]] = {}


def record_of(kind: type[R], row: Row) -> R:
    """Return a row as a record: times as datetimes, JSON decoded. Raises LookupError if it has other columns."""
    readers = _readers.get(kind)
    if readers is None:
        readers = _readers[kind] = tuple(map(_reader, kind.__annotations__.values()))
    if len(row) != len(readers):
        raise LookupError(
            f"a row of {len(row)} columns is no {kind.__name__} of {len(readers)} fields: its columns in"
            f" src/hallway/store/sql/ and its fields in src/hallway/core/model.py must be the same: {kind._fields}"
        )
    return kind.of(
        tuple(
            [value if read is None or value is None else read(value) for read, value in zip(readers, row, strict=True)]
        )
    )


def _reader(annotation: str) -> Reader:
    """Return what turns a column into a field of this annotation; None if it is the same."""
    if annotation.startswith("datetime"):
        return to_datetime
    return _decoded if annotation.startswith(("dict[", "list[", "Json")) else None


def _decoded(text: str) -> Any:
    return {} if text == "{}" else decode(text)
