"""Which files sessions write, as their hooks see it.

Kept in a table of their own and not among the events: a session writes one file a hundred times, and what anybody
asks is who wrote it and when last. So it is one row for a file and a session, at most `FILES_MOST` for a session, and
nothing of it is news to anybody.
"""

from __future__ import annotations

from hallway.core.clock import SECOND, to_datetime
from hallway.core.model import FileTouch
from hallway.core.operation import operation
from hallway.core.parameters import DAY_S
from hallway.services.base import Service

FILES_MOST = 500


class FileLog(Service, noun="files"):
    """Which files sessions have written, and when last."""

    @operation("POST /sessions/{session_id}/files", is_durable=False, registers=True)
    def touch(self, session_id: str, paths: list[str]) -> int:
        """Say that a session has written files; returns how many.

        A path is absolute, as the machine of the session has it. The newest 500 of a session are kept.
        """
        project, now = self.bus.sessions.require(session_id).project, self._store.now
        written = dict.fromkeys(paths)
        for path in written:
            self._store.rows("files.touch", now=now, project=project, session_id=session_id, path=path)
        self._store.rows("files.keep", session_id=session_id, most=FILES_MOST)
        return len(written)

    @operation("GET /files", is_of_all=True)
    def touched(
        self,
        project: str | None = None,
        *,
        path: str | None = None,
        session_id: str | None = None,
        within_s: int = DAY_S,
        limit: int = 200,
    ) -> list[FileTouch]:
        """Return who wrote which files within so many seconds, newest first; all filters must fit."""
        rows = self._store.rows(
            "files.touched",
            project=project,
            path=path,
            session_id=session_id,
            limit=limit,
            since=self._store.now - within_s * SECOND,
            visible=self.bus.visible,
        )
        return [FileTouch.of((in_project, name, who, to_datetime(at))) for in_project, name, who, at in rows]

    def prune_old(self, before: int, limit: int) -> int:
        return len(self._store.rows("files.prune", before=before, limit=limit))
