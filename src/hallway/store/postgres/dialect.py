"""Translation of named statements to PostgreSQL's parameters: `:name` becomes `$1`, `$2` …, each with a type.

A parameter's type follows from its name, so a statement that both stores share needs no casts: it is the one that the
data dictionary (core/parameters.py) has for this name, a whole number for a time (`…_at`), and for the rest what the
lists here say, else text. A statement that needs another type has a cast: `:after::text`.
"""

from __future__ import annotations

import re

from hallway.core.parameters import COMMON, NOUNS
from hallway.core.schema import Boolean, Integer, Number
from hallway.store import missing_parameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Of names that the data dictionary lacks, or has with several types.
INTEGERS = {
    "after",
    "at",
    "burst",
    "candidates",
    "digest",
    "except_id",
    "excess",
    "fence",
    "id",
    "interval",
    "key_id",
    "last",
    "last_seen",
    "last_version",
    "max_depth",
    "min_depth",
    "most",
    "now",
    "number",
    "pause",
    "reply_by",
    "reply_within",
    "peer_user",
    "seq",
    "side",
    "since",
    "size_bytes",
    "state_since",
    "status_since",
    "times_gone",
    "until",
    "version",
}
NUMBERS = {"after_score"}
KINDS = ((Boolean, "boolean"), (Integer, "bigint"), (Number, "double precision"))
# The only table function that shared statements use: the items of a JSON list, in a column `value`.
LIST, ITS_ITEMS = re.compile(r"json_each\(:([a-z_]+)\)"), r"json_array_elements_text(:\1::json)"
PARAMETER = re.compile(r"'(?:[^']|'')*'|(?<!:):([a-z_]+)(::)?")


def _types() -> dict[str, str]:
    """Return the SQL type of each name that has the same one for all nouns in the data dictionary."""
    types: dict[str, set[str]] = {}
    for words in (COMMON, *NOUNS.values()):
        for name, kind in words.items():
            types.setdefault(name, set()).add(next((sql for each, sql in KINDS if isinstance(kind, each)), "text"))
    return {name: kinds.pop() for name, kinds in types.items() if len(kinds) == 1}


TYPES = {
    **_types(),
    **dict.fromkeys(INTEGERS, "bigint"),
    **dict.fromkeys(NUMBERS, "double precision"),
}


def type_of(name: str) -> str:
    """Return the SQL type of a parameter."""
    return "bigint" if name.endswith("_at") else TYPES.get(name, "text")


def _first_word(text: str) -> str:
    """Return a statement's first word, without the comments before it."""
    lines = (line.split() for line in text.splitlines() if not line.startswith("--"))
    return next((words[0].upper() for words in lines if words), "")


class Statement:
    """A statement's text with numbered parameters, the parameters' names in order, and its own name."""

    __slots__ = ("is_read", "name", "names", "text")

    def __init__(self, text: str, name: str = "") -> None:
        self.name = name
        names: dict[str, int] = {}

        def numbered(match: re.Match[str]) -> str:
            name, is_cast = match[1], match[2]
            if not name:
                return match[0]
            number = names.setdefault(name, len(names) + 1)
            return f"${number}{is_cast or '::' + type_of(name)}"

        self.text = PARAMETER.sub(numbered, LIST.sub(ITS_ITEMS, text.rstrip(";"))).encode()
        self.names = tuple(names)
        self.is_read = _first_word(text) == "SELECT"  # the others may write

    def values(self, parameters: dict[str, Any]) -> list[bytes | None]:
        """Return the parameters in order, in PostgreSQL's text format. Raises LookupError for a missing one."""
        try:
            return [as_text(parameters[name]) for name in self.names]
        except KeyError as error:
            raise missing_parameter(self.name, error.args[0]) from None


def as_text(value: Any) -> bytes | None:
    """Return a value in the text format of its PostgreSQL type."""
    if value is None:
        return None
    if value is True or value is False:
        return b"t" if value else b"f"
    if isinstance(value, list):
        return ("{" + ",".join(map(_quoted, value)) + "}").encode()
    return str(value).encode()


def _quoted(value: Any) -> str:
    if value is None:
        return "NULL"
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
