"""The sessions that records are about, so that a face can show their names where the records have ids."""

from __future__ import annotations

from hallway.core.errors import HallwayError
from hallway.core.model import Record
from hallway.core.schema import Identifier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hallway.core.model import SessionLabel

FIELDS = (  # of a record, or of an event's data, with the address of a party or a list of them
    "session_id",
    "from_session",
    "to_session",
    "recipient",
    "offered_by",
    "offered_to",
    "owner",
    "held_by",
    "holder",
    "continues",
    "by",
)
NESTED = ("messages", "deliveries", "conflicts", "recipients", "data")
SESSION_ID = Identifier()
SHORT_ID, LONGEST_WHOLE_ID = 8, 16  # characters of a session's id: cut, and up to which it is not cut


def sessions_in(result: object) -> set[str]:
    """Return the ids of the sessions that a record, an address, or a list of them is about.

    A record that has a name beside its session's id is left out.
    """
    return {each for each in _parties(result) if _is_session_id(each)}


def _is_session_id(text: str) -> bool:
    """Return whether a text can be a session's id: the data of an imported event may be anything."""
    try:
        return bool(SESSION_ID.check("session_id", text))
    except HallwayError:
        return False


def _parties(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Record):
        yield from _in_fields(value.to_dict())
    elif isinstance(value, list | tuple | set):
        for each in value:
            yield from _parties(each)


def _in_fields(fields: Mapping[str, object]) -> Iterator[str]:
    for name in FIELDS:
        if name in fields and not (name == "session_id" and fields.get("name")):
            yield from _parties(fields[name])
    for name in NESTED:
        value = fields.get(name)
        yield from _in_fields(value) if isinstance(value, dict) else () if name == "data" else _parties(value)


def distinct_names(labels: Iterable[SessionLabel]) -> dict[str, str]:
    """Return names by session ids in which no two are the same: a shared one has the beginning of the id behind it."""
    labels = list(labels)
    count: dict[str, int] = {}
    for each in labels:
        count[each.name] = count.get(each.name, 0) + 1
    shared = short_ids(each.session_id for each in labels if each.is_shared or count[each.name] > 1)
    return {
        each.session_id: f"{each.name} ({shared[each.session_id]})" if each.session_id in shared else each.name
        for each in labels
    }


def short_ids(ids: Iterable[str]) -> dict[str, str]:
    """Return the first eight characters of each id, or as many as tell them apart; a short id stays whole."""
    known = list(dict.fromkeys(ids))
    length = SHORT_ID
    while len({each[:length] for each in known}) < len(known):
        length += 1
    return {each: each if len(each) <= LONGEST_WHOLE_ID else each[:length] for each in known}
