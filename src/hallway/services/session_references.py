"""References to sessions: wherever an operation takes a session, its name or the beginning of its id will do (S10).

The bus resolves an operation's references once, before it asks for authorization, so that services, events and messages
have ids alone. An id is always itself. Everything else is looked for in the caller's project first, then among all that
the caller sees; a live session comes before one that has ended.
"""

from __future__ import annotations

from hallway.core.errors import AmbiguousSession, ProjectNeeded, Refused, SessionNotFound
from hallway.core.model import EVERYBODY, GROUPS, PERSON
from hallway.core.naming import is_name
from hallway.core.near_names import did_you_mean, near_matches
from hallway.core.schema import quote_value
from hallway.services.session_names import AFTER_ALL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.core.context import Context
    from hallway.core.operation import Operation
    from hallway.store import Row, Store

NAMED = "@"  # before a name, so that it cannot be meant as an id
NO_SESSIONS = (PERSON, *GROUPS)
MIN_PREFIX = 4
MAX_LOOKED_AT = 2000  # sessions whose ids begin alike; of more, it takes none
MAX_CANDIDATES = 5
ID, NAME, PROJECT, IS_LIVE = 0, 1, 3, 4  # the places of columns in the statements


class SessionReferences:
    """Finds the sessions that references mean."""

    def __init__(self, bus: Context) -> None:
        self._bus = bus

    def resolve_arguments(self, operation: Operation, arguments: dict[str, Any]) -> None:
        """Replace the references among an operation's arguments by ids, in place.

        Who registers or sends a heartbeat is taken as an id, even where another session has that name; only `@NAME`
        means the other. Any other acting session may be named, too: an id that the bus has never seen is a new session
        unless a live session of the project has that name, or it is the beginning of a UUID.
        """
        for parameter in operation.references:
            value = arguments[parameter]
            if value is None or _is_plain(value):
                continue
            may_be_new = operation.registers and parameter == operation.actor and not value.startswith(NAMED)
            if not (may_be_new and operation.takes_id) and not self._is_id(value):
                project = self._project_of(operation, arguments)
                arguments[parameter] = self._resolve(value, project, may_be_new=may_be_new)

    def resolve(self, reference: str, project: str | None = None) -> str:
        """Return the id of the session that a reference means; the reference itself if it is no session's.

        Raises AmbiguousSession if several sessions fit, and SessionNotFound if nobody has the name of an `@NAME`.
        """
        return reference if _is_plain(reference) or self._is_id(reference) else self._resolve(reference, project)

    def unknown(self, reference: str) -> SessionNotFound:
        """Return the error for a reference that no session fits, with the names and ids that look like it."""
        wanted = reference.removeprefix(NAMED)
        rows = self._bus.store.rows("sessions.near", wanted=wanted, visible=self._bus.visible)
        near = near_matches(wanted, [each for (each,) in rows])
        return SessionNotFound(f"no session has the name or id {reference!r}", hint=did_you_mean(near), near=near)

    def _project_of(self, operation: Operation, arguments: dict[str, Any]) -> str | None:
        try:
            return self._bus.project_for(
                arguments.get("project"), arguments[operation.actor] if operation.actor else None
            )
        except (ProjectNeeded, Refused):
            return None

    def _is_id(self, reference: str) -> bool:
        """Return whether a reference is the id of a session that the caller sees, or of one that was pruned."""
        row = self._bus.store.one("sessions.owner", session_id=reference)
        if row is not None:
            return self._bus.sees(row[1])
        return self._bus.store.one("messages.has_inbox", session_id=reference) is not None  # it has messages still

    def _resolve(self, reference: str, project: str | None, *, may_be_new: bool = False) -> str:
        rows = self._new_actor(reference, project) if may_be_new else self._meant(reference, project)
        if len(rows) > 1:
            raise _ambiguous(reference, rows)
        if rows:
            return str(rows[0][ID])
        if reference.startswith(NAMED):
            raise self.unknown(reference)
        return reference

    def _new_actor(self, reference: str, project: str | None) -> list[Row]:
        """Return the sessions that an acting session may be, which would otherwise be registered."""
        named = [row for row in self._named(reference) if row[IS_LIVE] and row[PROJECT] == project]
        return named or [row for row in self._beginning_with(reference) if _is_uuid(row[ID])]

    def _meant(self, reference: str, project: str | None) -> list[Row]:
        """Return the sessions that fit best; none if none does."""
        named, beginning_so = self._named(reference), None
        for is_own in (True, False):
            called = [row for row in named if row[IS_LIVE] and is_own in (False, row[PROJECT] == project)]
            if called:
                return called
            beginning_so = self._beginning_with(reference) if beginning_so is None else beginning_so
            begun = [row for row in beginning_so if is_own in (False, row[PROJECT] == project)]
            if begun:
                return [row for row in begun if row[IS_LIVE]] or begun
            former = [row for row in named if is_own in (False, row[PROJECT] == project)]
            if former:  # the last one of each project
                return list({row[PROJECT]: row for row in reversed(former)}.values())
        return []

    def _named(self, reference: str) -> list[Row]:
        """Return the sessions of a name: live ones, then those that ended last."""
        name = reference.removeprefix(NAMED).lower()
        if not is_name(name):
            return []
        store: Store = self._bus.store
        return store.rows("sessions.named", name=name, visible=self._bus.visible, now=store.now)

    def _beginning_with(self, reference: str) -> list[Row]:
        if reference.startswith(NAMED) or len(reference) < MIN_PREFIX:
            return []
        store: Store = self._bus.store
        rows = store.rows(
            "sessions.beginning_with",
            reference=reference,
            after_all=AFTER_ALL,
            visible=self._bus.visible,
            now=store.now,
            limit=MAX_LOOKED_AT,
        )
        if len(rows) == MAX_LOOKED_AT:
            raise _ambiguous(reference, rows)
        return rows


def _is_plain(value: str) -> bool:
    """Return whether a value needs no look: a whole UUID, a person or a group."""
    return _is_uuid(value) or value == EVERYBODY or value.startswith(NO_SESSIONS)


def _is_uuid(value: str) -> bool:
    return len(value) == 36 and value[8] == value[13] == value[18] == value[23] == "-"


def _ambiguous(reference: str, rows: list[Row]) -> AmbiguousSession:
    fields = ("session_id", "name", "agent_type", "project")
    candidates = [dict(zip(fields, row, strict=False)) for row in rows[:MAX_CANDIDATES]]
    meanings = ["{name} ({session_id}, {agent_type}, {project})".format_map(each) for each in candidates]
    more = f" or {len(rows) - MAX_CANDIDATES} more" if len(rows) > MAX_CANDIDATES else ""
    return AmbiguousSession(f"{quote_value(reference)} may mean {' or '.join(meanings)}{more}", candidates=candidates)
