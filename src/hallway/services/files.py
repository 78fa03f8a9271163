"""The files that sessions write, as reported by their hooks.

They are in a separate table and not among the events: a session may write one file a hundred times, and readers only
ask who wrote it last. So there is one row per file and session, at most `MAX_FILES` per session, and no event. What two
sessions write at the same time is a conflict: `services/conflicts.py`.
"""

from __future__ import annotations

from hallway.core.clock import SECOND, to_datetime
from hallway.core.model import FileTouch, Session
from hallway.core.operation import operation
from hallway.core.parameters import DAY_S
from hallway.services.base import Service

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_FILES = 500
NOWHERE: dict[str, Any] = dict.fromkeys(("repository", "place", "relative", "worktree", "branch"))


class FileLog(Service, noun="files"):
    """The files that sessions have written, and when last."""

    @operation("POST /sessions/{session_id}/files", is_durable=False, registers=True)
    def touch(
        self,
        session_id: str,
        paths: list[str],
        *,
        worktree: str | None = None,
        repository: str | None = None,
        branch: str | None = None,
        ignores_case: bool = False,
        is_shared: bool = True,
    ) -> int:
        """Record that a session has written files; return their number.

        Paths are absolute paths on the session's machine. The newest 500 of a session are kept. A file that another
        live session has written within an hour is a conflict. With a worktree (HOST:FOLDER) that means the same file
        in any worktree of the repository, else the same path on the session's machine. Say `is_shared=False` of files
        that are not part of the project, such as ignored ones.
        """
        session, now = self.bus.sessions.require(session_id), self._store.now
        written = dict.fromkeys(paths)
        for path in written:
            place = _place(path, session, worktree, repository, branch) if is_shared else NOWHERE
            row = {"project": session.project, "session_id": session_id, "path": path, "ignores_case": ignores_case}
            self._store.change("files.touch", now=now, **row, **place)
            if place["place"] is not None:
                self.bus.conflicts.written(row | place)
        self._store.change("files.keep", session_id=session_id, most=MAX_FILES)
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

    def succeed(self, session_id: str, continues: str) -> None:
        """Give a session the files that the one that it continues has written (S14)."""
        self._store.rows("files.drop_shared", session_id=session_id, continues=continues)
        self._store.rows("files.give", session_id=session_id, continues=continues)

    def prune_old(self, before: int, limit: int) -> int:
        return len(self._store.rows("files.prune", before=before, limit=limit))


def _place(
    path: str, session: Session, worktree: str | None, repository: str | None, branch: str | None
) -> dict[str, Any]:
    """Return a file's place: its path in the repository, or on the host if it is in no repository."""
    if worktree is None:
        worktree = repository = f"{(session.location or '').partition(':')[0]}:/"
        branch = session.branch
    folder = worktree.partition(":")[2].rstrip("/") + "/"
    if not path.startswith(folder):
        return NOWHERE
    relative = path.removeprefix(folder)
    if not relative.isascii():
        from unicodedata import normalize

        relative = normalize("NFC", relative)
    return {
        "repository": repository or "",
        "place": relative.lower(),
        "relative": relative,
        "worktree": worktree,
        "branch": branch,
    }
