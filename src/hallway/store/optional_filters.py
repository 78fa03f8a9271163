"""Optional filters of statements, such as `(:project IS NULL OR project = :project)`.

SQLite plans a statement before it knows its parameters, and uses no index for such a filter: a list of one project
would read the rows of all projects. So a statement with optional filters is written once and has several texts: in
each, the filters of a call are plain comparisons, and those that it leaves out are gone. PostgreSQL plans with the
parameters at hand.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BEGIN, MIDDLE = "(:", " IS NULL OR "


class FilteredStatement:
    """A statement with optional filters, and its texts: one for each combination of filters that is used."""

    __slots__ = ("_filters", "_texts", "text")

    def __init__(self, text: str, filters: dict[str, list[str]]) -> None:
        self.text = text
        self._filters = filters  # the comparisons with each parameter
        self._texts: dict[tuple[bool, ...], str] = {}

    def text_for(self, parameters: dict[str, Any]) -> str:
        """Return the statement with the filters for which there is a value. Raises KeyError for a missing parameter."""
        given = tuple([parameters[name] is not None for name in self._filters])
        text = self._texts.get(given)
        if text is None:
            text = self._texts[given] = self._written(given)
        return text

    def _written(self, given: tuple[bool, ...]) -> str:
        text = self.text
        for (name, comparisons), is_given in zip(self._filters.items(), given, strict=True):
            for comparison in comparisons:
                text = text.replace(f"{BEGIN}{name}{MIDDLE}{comparison})", comparison if is_given else "TRUE")
        return text


def with_optional_filters(text: str) -> FilteredStatement | str:
    """Return a statement as one with optional filters, if it has any: a column that equals a parameter, or none."""
    filters: dict[str, list[str]] = {}
    for part in text.split(BEGIN)[1:]:
        name, found, rest = part.partition(MIDDLE)
        comparison = rest.partition(")")[0]
        column, equals, value = comparison.partition(" = ")
        if found and equals and value == f":{name}" and column.replace(".", "_").isidentifier():
            filters.setdefault(name, []).append(comparison)
    return FilteredStatement(text, filters) if filters else text
