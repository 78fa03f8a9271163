"""The sessions that records are about, so that a face can show their names where the records have ids."""

from __future__ import annotations

from hallway.core.errors import HallwayError
from hallway.core.model import Event, Record
from hallway.core.schema import Identifier
from hallway.core.short_ids import short_ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hallway.core.model import SessionLabel

FIELDS = {  # fields of records and of events' data that hold an address, or a list of addresses
    "session_id",
    "session_ids",
    "from_session",
    "to_session",
    "recipient",
    "offered_by",
    "offered_to",
    "owner",
    "held_by",
    "continues",
    "by",
}
RECORDS = {"messages", "deliveries", "conflicts"}  # fields that hold lists of records
SESSION_ID = Identifier()


def sessions_in(result: object) -> set[str]:
    """Return the ids of the sessions that a record, an address, or a list of them is about.

    A record that has a name beside its session's id is left out.
    """
    return {each for each in _parties(result) if isinstance(each, str) and _is_session_id(each)}


def _is_session_id(text: str) -> bool:
    """Return whether a text has the form of a session's id: an imported event may hold any text."""
    try:
        return bool(SESSION_ID.check("session_id", text))
    except HallwayError:
        return False


def _parties(value: object) -> Iterator[object]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple | set):
        for each in value:
            yield from _parties(each)
    elif isinstance(value, Record):
        fields = value.to_dict()
        yield from _in_fields(fields)
        for name in RECORDS & fields.keys():
            yield from _parties(fields[name])
        if isinstance(value, Event):
            yield from _in_fields(value.data)


def _in_fields(fields: Mapping[str, object]) -> Iterator[object]:
    for name in FIELDS & fields.keys():
        if not (name == "session_id" and fields.get("name")):
            value = fields[name]
            yield from value if isinstance(value, list) else (value,)


def distinct_names(labels: Iterable[SessionLabel]) -> dict[str, str]:
    """Return each session's name by its id. A name that several have is followed by the beginning of the id."""
    labels = list(labels)
    count: dict[str, int] = {}
    for each in labels:
        count[each.name] = count.get(each.name, 0) + 1
    shared = short_ids(each.session_id for each in labels if each.is_shared or count[each.name] > 1)
    return {
        each.session_id: f"{each.name} ({shared[each.session_id]})" if each.session_id in shared else each.name
        for each in labels
    }
