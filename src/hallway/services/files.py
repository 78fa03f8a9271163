"""The files that sessions write, as reported by their hooks.

They are in a separate table and not among the events: a session may write one file a hundred times, and readers only
ask who wrote it last. So there is one row per file and session, at most `MAX_FILES` per session, and no event.
"""

from __future__ import annotations

from hallway.core.clock import SECOND, to_datetime
from hallway.core.model import FileTouch
from hallway.core.operation import operation
from hallway.core.parameters import DAY_S
from hallway.services.base import Service

MAX_FILES = 500


class FileLog(Service, noun="files"):
    """The files that sessions have written, and when last."""

    @operation("POST /sessions/{session_id}/files", is_durable=False, registers=True)
    def touch(self, session_id: str, paths: list[str]) -> int:
        """Record that a session has written files; return their number.

        Paths are absolute paths on the session's machine. The newest 500 of a session are kept.
        """
        project, now = self.bus.sessions.require(session_id).project, self._store.now
        written = dict.fromkeys(paths)
        for path in written:
            self._store.rows("files.touch", now=now, project=project, session_id=session_id, path=path)
        self._store.rows("files.keep", session_id=session_id, most=MAX_FILES)
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
        """Return the files written in the last seconds, each with its session, newest first; all filters must match."""
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
