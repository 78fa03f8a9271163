"""The names of sessions: which one a session gets, and when it keeps it (S9).

A name is chosen in the transaction that needs it, while no other one writes, so two sessions of a project never get the
same; the store's unique index would refuse it.
"""

from __future__ import annotations

from hallway.core.errors import NameTaken
from hallway.core.naming import (
    LAST_RESORT,
    RESERVED,
    name_of_branch,
    name_of_client,
    name_of_folder,
    numbered,
    slug,
)
from hallway.core.schema import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.core.context import Context
    from hallway.core.model import Session

PERSON, CLIENT, HALLWAY = "person", "client", "hallway"  # who chose a name; a later one never replaces an earlier one's
SMALL = list(range(1, 17))  # numbers that are tried one by one
LARGE = [2**power for power in range(5, 40)]
AFTER_ALL = "\U0010ffff"  # sorts after every character of an id
COLUMNS = ("name", "name_base", "name_source")


class SessionNames:
    """Chooses the names of a bus's sessions."""

    def __init__(self, bus: Context) -> None:
        self._bus = bus

    def first_of(self, columns: dict[str, Any], *, is_here: bool) -> dict[str, str]:
        """Return the name of a new session, taken from its columns.

        It is the first of: the name asked for, the client's name of the session, the branch unless it is a default one,
        the folder, the client. `is_here`: the session runs where its caller does, whose workspace knows the last three.
        """
        source, base = PERSON, columns.get("name") or ""
        if not base:
            source, base = CLIENT, slug(columns.get("client_name") or "")
        if not base:
            source, base = HALLWAY, self._suggested(columns, is_here=is_here)
        return self._columns(base, source, columns["project"], columns["session_id"])

    def _suggested(self, columns: dict[str, Any], *, is_here: bool) -> str:
        suggested = slug(self._bus.here.suggested_name or "") if is_here else ""
        return (
            suggested
            or name_of_branch(columns["branch"] or "")
            or name_of_folder(columns["location"])
            or name_of_client(columns["agent_type"])
            or LAST_RESORT
        )

    def next_of(self, session: Session, values: dict[str, Any]) -> dict[str, str]:
        """Return the new name of a known session; nothing if it keeps its name.

        It keeps it when it comes back and when it moves, unless another session has it by now: then it gets a number.
        What the client calls the session replaces what hallway chose; what a person or agent chose stays (S9).
        """
        wanted, client_name = values.get("name"), values.get("client_name")
        project = values.get("project", session.project)
        is_settled = session.is_live and project == session.project
        if is_settled and wanted is None and client_name is None:
            return {}
        base, source, _ = self._bus.store.one("sessions.naming", session_id=session.session_id)
        client_base = slug(client_name or "")
        if wanted is not None:
            base, source = wanted, PERSON
        elif client_base and source != PERSON and (source, base) != (CLIENT, client_base):
            base, source = client_base, CLIENT
        elif is_settled:
            return {}
        else:
            name = self.keep(session.name, base, project, session.session_id)
            return {} if name == session.name else dict(zip(COLUMNS, (name, base, source), strict=True))
        return self._columns(base, source, project, session.session_id)

    def rename(self, session: Session, name: str) -> None:
        """Give a session a name that somebody chose; raises NameTaken if another one has it."""
        if self._taken([name], session.session_id, [session.project]):
            free = self._free_name(name, session.project, session.session_id)
            raise NameTaken(
                f"another session of {session.project} has the name {name!r}, or an id that begins so",
                hint=f"Choose another one, such as {free}",
                free=free,
            )
        self._set(session.session_id, name, name, PERSON)
        if name != session.name:
            self.tell(session, name)

    def pass_on(self, session: Session, before: Session) -> None:
        """Give a session the name of the one that it continues, which has ended (S14), unless it was named itself."""
        if self._bus.store.one("sessions.naming", session_id=session.session_id)[1] == PERSON:
            return
        base, source, _ = self._bus.store.one("sessions.naming", session_id=before.session_id)
        name = self.keep(before.name, base, session.project, session.session_id)
        self._set(session.session_id, name, base, source)
        if name != session.name:
            self.tell(session, name)

    def make_room(self, move_id: int, from_project: str, to_project: str) -> None:
        """Rename the live sessions of a move whose names the other project has."""
        rows = self._bus.store.rows(
            "sessions.shared_names", id=move_id, from_project=from_project, to_project=to_project
        )
        for session_id, base, source in rows:
            self._set(session_id, self._free_name(base, from_project, session_id, to_project), base, source)

    def restore(self, move_id: int, project: str) -> None:
        """Give the sessions of a move that was taken back the names from before, where these are free."""
        for session_id, name in self._bus.store.rows("projects.former_names", id=move_id, to_project=project):
            base, source, _ = self._bus.store.one("sessions.naming", session_id=session_id)
            if not self._taken([name], session_id, [project]):
                self._set(session_id, name, base, source)

    def tell(self, session: Session, name: str) -> None:
        """Append the event of a session's new name."""
        self._bus.events.append("session.renamed", session.project, session.session_id, name=name, was=session.name)

    def keep(self, name: str, base: str, project: str, session_id: str) -> str:
        """Return the name if no other live session of the project has it, else its base with a number."""
        is_free = not self._taken([name], session_id, [project])
        return name if is_free else self._free_name(base, project, session_id)

    def _set(self, session_id: str, name: str, base: str, source: str) -> None:
        self._bus.store.rows("sessions.set_name", session_id=session_id, name=name, name_base=base, name_source=source)

    def _columns(self, base: str, source: str, project: str, session_id: str) -> dict[str, str]:
        return dict(zip(COLUMNS, (self._free_name(base, project, session_id), base, source), strict=True))

    def _free_name(self, base: str, project: str, session_id: str, *also_in: str) -> str:
        """Return a name that no other live session of the project has: the base, or the base with a number.

        Small numbers are tried one by one. Beyond them, it looks for a free number as in a sorted list: a project of
        10,000 sessions of one name costs a few statements.
        """
        places = [project, *also_in]
        free = self._first_free(base, SMALL, session_id, places)
        in_use = free - 1 if free else SMALL[-1]
        if not free:
            free = self._first_free(base, LARGE, session_id, places)
            in_use = free // 2
        while free - in_use > 1:
            step = -(-(free - in_use) // len(SMALL))
            numbers = [*range(in_use + step, free, step), free]
            free = self._first_free(base, numbers, session_id, places)
            in_use = max((number for number in numbers if number < free), default=in_use)
        return numbered(base, free)

    def _first_free(self, base: str, numbers: list[int], session_id: str, projects: list[str]) -> int:
        """Return the first number with which the name is free in these projects; 0 if there is none."""
        names = [numbered(base, number) for number in numbers]
        in_use = self._taken(names, session_id, projects)
        return next((number for number, name in zip(numbers, names, strict=True) if name not in in_use), 0)

    def _taken(self, names: list[str], session_id: str, projects: list[str]) -> set[str]:
        """Return which names another session has, or would be mistaken for another session's id."""
        rows = self._bus.store.rows(
            "sessions.taken_names",
            names=encode(names),
            projects=encode(projects),
            session_id=session_id,
            after_all=AFTER_ALL,
        )
        return {name for (name,) in rows} | RESERVED.intersection(names)
