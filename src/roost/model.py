"""What is on the bus: plain values, immutable, equal by content.

A `Record` is what a dataclass would be, without importing `dataclasses` (which costs a hook more than its whole
work: see docs/decisions/0003). Fields are the annotations, in order; a store builds one from a row by position.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from typing import Any, ClassVar, Self, dataclass_transform

    Json = Any  # anything JSON can say
else:

    def dataclass_transform(**_):
        return lambda cls: cls


STATUSES = ("active", "idle", "working", "waiting", "offline")
LIVE_STATUSES = STATUSES[:-1]


@dataclass_transform(kw_only_default=True, frozen_default=True)
class RecordType(type):
    """Makes slots, in order, from a class's annotations."""

    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> RecordType:
        own = tuple(field for field in namespace.get("__annotations__", ()) if field[0] != "_")
        namespace["__slots__"] = own
        cls = super().__new__(mcls, name, bases, namespace)
        if own:
            cls._fields = own  # type: ignore[attr-defined]
            cls._setters = tuple(cls.__dict__[field].__set__ for field in own)  # type: ignore[attr-defined]
        return cls


class Record(metaclass=RecordType):
    """A value with named fields; `to_dict` is its JSON shape, times left as datetimes."""

    if TYPE_CHECKING:
        _fields: ClassVar[tuple[str, ...]]
        _setters: ClassVar[tuple[Any, ...]]
    else:

        def __init__(self, **fields):
            if fields.keys() != set(self._fields):
                wrong = sorted(fields.keys() ^ set(self._fields))
                raise TypeError(f"{type(self).__name__} has the fields {self._fields}; wrong: {wrong}")
            for field, set_field in zip(self._fields, self._setters, strict=True):
                set_field(self, fields[field])

    @classmethod
    def of(cls, values: Iterable[Any]) -> Self:
        """Build one from its fields' values in order."""
        self = cls.__new__(cls)
        for set_field, value in zip(cls._setters, values, strict=True):
            set_field(self, value)
        return self

    def to_dict(self) -> dict[str, Any]:
        return {field: getattr(self, field) for field in self._fields}

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        return type(self)(**{**self.to_dict(), **changes})

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable; use .replace({name}=…)")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(getattr(self, self._fields[0]))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.to_dict().items())})"


class Session(Record):
    """One running agent conversation, known by the agent's own session id."""

    session_id: str
    agent_name: str
    agent_type: str
    project: str
    status: str
    current_task: str | None
    status_detail: Json
    human_user: str | None
    location: str | None
    branch: str | None
    capabilities: list[str]
    metadata: dict[str, Json]
    started_at: datetime
    last_seen: datetime
    ttl_s: int
    ended_at: datetime | None
    end_reason: str | None

    @property
    def is_live(self) -> bool:
        """Whether the session was live (S2) when it was read."""
        return self.ended_at is None


class Peer(Record):
    """Another live session, in the few words an agent needs."""

    session_id: str
    agent_name: str
    agent_type: str
    status: str
    current_task: str | None
    human_user: str | None
    branch: str | None
    last_seen: datetime


class Conflict(Record):
    """Something two live sessions do to the same thing."""

    kind: str
    subject: str
    session_id: str
    detail: str


class Heartbeat(Record):
    """What a heartbeat answers with (S5): who else is here, and whether something waits for this session."""

    session_id: str
    project: str
    status: str
    others: list[Peer]
    others_total: int
    unread: int
    conflicts: list[Conflict]


class ActiveSessions(Record):
    """The live sessions of a project: the first of them, newest first, and how many there are."""

    project: str
    sessions: list[Peer]
    total: int


class SessionStats(Record):
    """How many sessions the bus knows; `by_…` count live and offline ones alike."""

    total: int
    live: int
    offline: int
    by_status: dict[str, int]
    by_type: dict[str, int]
    by_user: dict[str, int]


class EventStats(Record):
    """How long the record of events is: how many it holds, and the last one's `seq`."""

    total: int
    last_seq: int


class Stats(Record):
    """The bus in numbers, noun by noun."""

    sessions: SessionStats
    events: EventStats


class Event(Record):
    """One line of the append-only record of what happened; `seq` rises without repeating."""

    seq: int
    at: datetime
    kind: str
    project: str
    session_id: str | None
    data: dict[str, Json]
