"""Projects: move everything of a project to another name, and take the move back.

A repository's project follows its remote URL, so a new URL is a new project, and what is stored under the old name
seems lost. A move gives the stored records the new name. Each move lists its records, so that it can be taken back
exactly, even if the new project had records of its own. The event log is not changed: it says what happened where.
"""

from __future__ import annotations

from hallway.core.clock import SECOND
from hallway.core.errors import InvalidInput, ProjectNotFound
from hallway.core.model import ProjectMove
from hallway.core.near_names import did_you_mean, near_matches
from hallway.core.operation import operation
from hallway.core.parameters import DAY_S
from hallway.services import message_search
from hallway.services.base import Service

MOVED_NOUNS = ("sessions", "messages", "tasks", "memory", "files")
MAX_SHOWN_KEYS = 100
KEEP_MOVES_S = 30 * DAY_S  # how long a move can be taken back


class _DryRun(Exception):
    """Rolls a dry run back."""


class ProjectRegistry(Service, noun="projects"):
    """The names under which records are stored."""

    @operation("POST /projects/move", verb="project move")
    def move(self, old_project: str, new_project: str, *, dry_run: bool = False) -> ProjectMove:
        """Move everything of a project to another: sessions, messages, tasks, memory and written files.

        Nothing is overwritten: if the new project has, or once had, a memory key of the same name, the old project
        keeps its entry, and the result lists the key. The move is one transaction and one event. It can be taken back
        for 30 days. Claims of the old project end. Tokens that are limited to the old project do not get access to the
        new one; the result names them. Raises ProjectNotFound if nothing is stored under the old name.
        """
        self._require_two(old_project, new_project)
        return self._run(old_project, new_project, None, is_dry=dry_run)

    @operation("POST /projects/undo", verb="project move --undo")
    def undo(self, old_project: str, new_project: str, *, dry_run: bool = False) -> ProjectMove:
        """Take back the last move between these projects.

        Exactly the records that the move took return to the old project. Records that the new project had before or
        got since stay there, and so does a memory key that was set in the old project meanwhile. Raises
        ProjectNotFound if there is no such move, or it is more than 30 days old.
        """
        self._require_two(old_project, new_project)
        row = self._store.one("projects.last_move", old_project=old_project, new_project=new_project)
        if row is None:
            raise ProjectNotFound(f"there is no move from {old_project} to {new_project} to take back")
        return self._run(new_project, old_project, row[0], is_dry=dry_run)

    def _run(self, from_project: str, to_project: str, undone: int | None, *, is_dry: bool) -> ProjectMove:
        """Move records; those of the move `undone`, else all. A dry run does the same and rolls it back."""
        done: list[ProjectMove] = []
        try:
            with self.bus.transaction():  # type: ignore[attr-defined]
                done.append(self._move(from_project, to_project, undone, is_dry=is_dry))
                if is_dry:
                    raise _DryRun
        except _DryRun:
            pass
        return done[0]

    def _move(self, from_project: str, to_project: str, undone: int | None, *, is_dry: bool) -> ProjectMove:
        places = {"from_project": from_project, "to_project": to_project}
        move_id = self._list_records(**places) if undone is None else undone
        listed: dict[str, int] = dict(self._store.rows("projects.listed", id=move_id))
        kept_keys = [key for (key,) in self._store.rows("projects.shared_keys", id=move_id, **places)]
        moved = {}
        self.bus.claims.end_all(from_project)
        for noun in MOVED_NOUNS:
            if noun == "sessions":
                self.bus.sessions.names.make_room(move_id, **places)
            rows = self._store.rows(f"projects.move_{noun}", id=move_id, **places)
            if noun == "sessions" and undone is not None:
                self.bus.sessions.names.restore(undone, to_project)
            if noun == "messages" and rows:
                self._store.rows("projects.move_requests", id=move_id, **places)
                if not is_dry:
                    message_search.reindex(self.bus, [seq for (seq,) in rows])
            if rows:
                moved[noun] = len(rows)
            if noun == "memory" and not is_dry:
                self.bus.memory.reindex([entry for (entry,) in rows if entry is not None])
        self.bus.conflicts.move(from_project, to_project)
        if undone is not None or not moved:
            self._store.rows("projects.forget_move", id=move_id)
        if not listed and not kept_keys:
            raise self._no_project(from_project)
        old, new = (from_project, to_project) if undone is None else (to_project, from_project)
        valid = self.bus.tokens.valid().values()
        tokens = sorted(each.name for each in valid if each.sees(from_project) and not each.sees(to_project))
        if moved and not is_dry:
            kind = "project.moved" if undone is None else "project.move_undone"
            self.bus.events.append(kind, to_project, old_project=old, new_project=new, moved=moved)
        values = (old, new, undone is not None, is_dry, moved, len(kept_keys), kept_keys[:MAX_SHOWN_KEYS], tokens)
        return ProjectMove.of(values)

    def _list_records(self, from_project: str, to_project: str) -> int:
        """Add a move that lists the records to take; return its id."""
        places = {"from_project": from_project, "to_project": to_project}
        rows = self._store.rows("projects.add_move", now=self._store.now, **places)
        move_id: int = rows[0][0]
        for noun in MOVED_NOUNS:
            self._store.rows(f"projects.list_{noun}", id=move_id, **places)
        return move_id

    def _require_two(self, old_project: str, new_project: str) -> None:
        if old_project == new_project:
            raise InvalidInput(f"the old and the new project are both {old_project}", hint="Name two projects")

    def _no_project(self, name: str) -> ProjectNotFound:
        near = near_matches(name, [each for (each,) in self._store.rows("projects.names")])
        return ProjectNotFound(f"nothing is stored under the project {name!r}", hint=did_you_mean(near), near=near)

    def prune_old(self, before: int, limit: int) -> int:
        """Remove moves that can no longer be taken back. They hold no data of anybody, so they are not counted."""
        self._store.rows("projects.prune", before=self._store.now - KEEP_MOVES_S * SECOND, limit=limit)
        return 0
