"""Conflicts: two live sessions of a project have written the same file within an hour, and nobody has claimed it (C3).

A conflict is between two sessions and about one file. It is found in the transaction that records the second one's
write, which publishes `conflict.found` once; each of the two is told by its next hook, from the list of what was found
since the hook before. It ends (`conflict.settled`) when one of the two ends, has not written the file for an hour, or
says that it is settled; also when a commit contains what both wrote. What was settled is no conflict again for an hour.
"""

from __future__ import annotations

from hallway.core.clock import SECOND, new_id, to_datetime
from hallway.core.errors import InvalidInput, Refused
from hallway.core.model import PERSON, Conflict, ConflictParty, FileConflict, Json
from hallway.core.operation import operation
from hallway.core.schema import decode, encode, quote_value
from hallway.services.base import Service

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.store import Row

WITHIN_S = 3600  # both sessions wrote the file within this time
MAX_WRITERS = 10  # sessions with which one write of a file can be in conflict: those that wrote it last
MAX_CONFLICTS = 200  # of one session; further ones are not recorded
MAX_IN_HEARTBEAT = 20
LINES = frozenset("0123456789-, ")  # the characters of a list of line numbers
ENDED_AT_ONCE = 500  # so that one writer never pays for a night of conflicts
BOTH_WRITE = "both write it, in one worktree"
SAME_WORKTREE, OTHER_WORKTREE = "same_worktree", "other_worktree"
PARTY = len(ConflictParty._fields)


class ConflictRegistry(Service, noun="conflicts"):
    """The files that two live sessions have written at the same time."""

    @operation("GET /conflicts", verb="conflicts", words=(), is_of_all=True)
    def find(
        self,
        project: str | None = None,
        *,
        session_id: str | None = None,
        before: int | None = None,
        limit: int = 200,
    ) -> list[Conflict]:
        """Return the files that two live sessions have written within an hour, the newest conflict first.

        Of a project or a session. For the next page pass the last `seq` of this page.
        """
        rows = self._store.rows(
            "conflicts.find",
            now=self._store.now,
            project=project,
            session_id=session_id,
            before=before,
            limit=limit,
            visible=self.bus.visible,
        )
        return [_conflict(row) for row in rows]

    @operation("POST /conflicts/{conflict_id}/settle", verb="conflicts settle")
    def settle(self, session_id: str, conflict_id: str) -> bool:
        """Settle a conflict: its two sessions know of each other. Return whether it was open.

        What they write is no conflict again for an hour. Either of the two may say it, and a person.
        """
        row = self._open_row(conflict_id)
        if row is None:
            return False
        conflict = _conflict(row)
        names = [each.session_id for each in conflict.sessions]
        if session_id not in names and not session_id.startswith(PERSON):
            raise Refused(
                f"the conflict {conflict_id} is between {' and '.join(names)}, and {session_id} is neither",
                hint="Leave it to these two, or to a person",
            )
        until = self._store.now + WITHIN_S * SECOND
        self._store.rows("conflicts.settle", conflict_id=conflict_id, now=self._store.now, expires_at=until)
        self._store.rows("conflicts.close_parties", conflict_id=conflict_id)
        self._publish("conflict.settled", conflict, session_id, cause="settled")
        return True

    @operation("POST /conflicts/{conflict_id}/merge")
    def report_merge(
        self,
        session_id: str,
        conflict_id: str,
        *,
        merge: str | None = None,
        merge_lines: str | None = None,
        merge_files: list[str] | None = None,
        is_committed: bool = False,
    ) -> bool:
        """Report what a merge of a conflict's two worktrees gave; return whether the conflict was open.

        One of the two sessions says so. The conflict ends if a commit contains what both wrote (`is_committed`).
        """
        row = self._open_row(conflict_id)
        if row is None:
            return False
        if session_id not in [each.session_id for each in _conflict(row).sessions]:
            raise Refused(f"{session_id} is not in the conflict {conflict_id}", hint="Leave it to the two sessions")
        if merge_lines and not set(merge_lines) <= LINES:
            raise InvalidInput(f"{quote_value(merge_lines)} are no lines", hint="Name them as 10-14, 30")
        if is_committed:
            self._end(row, "committed")
            return True
        files = encode(merge_files) if merge_files else None
        said = {"merge": merge, "merge_lines": merge_lines, "merge_files": files}
        self._store.rows("conflicts.tried", conflict_id=conflict_id, now=self._store.now, **said)
        if merge != row[MERGE]:
            self._publish("conflict.tried", self._require(conflict_id), None, merge=merge or "unknown")
        return True

    # -- called by the bus and by other services, inside a transaction ------------------------------------------------

    def written(self, file: dict[str, Json]) -> None:
        """Find the conflicts that a session's write of a file makes, and prolong those that it is in already."""
        now = self._store.now
        rows = self._store.rows(
            "files.writers",
            now=now,
            since=now - WITHIN_S * SECOND,
            most=MAX_WRITERS,
            **{name: file[name] for name in ("project", "place", "repository", "session_id")},
        )
        writers: dict[str, Row] = {}
        for row in rows:
            is_same = row[1] == file["relative"] or row[2] or file["ignores_case"]
            if is_same:
                writers.setdefault(row[0], row)
        for other_id, row in writers.items():
            self._write_beside(file, other_id, row)

    def in_heartbeat(self, session_id: str) -> list[FileConflict]:
        """Return the newest conflicts of a session as it sees them, for its heartbeat (S5)."""
        rows = self._store.rows(
            "conflicts.find",
            now=self._store.now,
            project=None,
            session_id=session_id,
            before=None,
            limit=MAX_IN_HEARTBEAT,
            visible=None,
        )
        return [as_seen_by(session_id, _conflict(row)) for row in rows]

    def on_session_ended(self, session_id: str, project: str) -> None:
        """End the conflicts of a session that ended, expired, or moved to another project."""
        for row in self._store.rows("conflicts.of_session", session_id=session_id):
            self._end(row, "session_ended")

    def succeed(self, session_id: str, continues: str) -> None:
        """Give a session the conflicts of the one that it continues (S14), and end those between the two."""
        for row in self._store.rows("conflicts.of_session", session_id=continues):
            (other,) = (each for each in _conflict(row).sessions if each.session_id != continues)
            project, place, repository = self._store.one("conflicts.where", conflict_id=row[0]) or ("", "", "")
            same = self._between(session_id, other.session_id, project=project, place=place, repository=repository)
            if other.session_id == session_id or same is not None:
                self._end(row, "session_ended")
            else:
                self._store.rows("conflicts.give", conflict_id=row[0], session_id=session_id, continues=continues)

    def move(self, from_project: str, to_project: str) -> None:
        """Move the conflicts of a project to another one; end those whose sessions are now in two projects."""
        self._store.rows("conflicts.move", from_project=from_project, to_project=to_project)
        for row in self._store.rows("conflicts.of_project", project=from_project):
            projects = {self.bus.sessions.require(each.session_id).project for each in _conflict(row).sessions}
            if projects != {from_project}:
                self._end(row, "session_moved")

    def sweep(self) -> None:
        """End the conflicts whose time is over, each once; called at the start of each write that finds some."""
        for row in self._store.rows("conflicts.overdue", now=self._store.now, limit=ENDED_AT_ONCE):
            self._end(row, "quiet")

    def on_clock_set_back(self) -> None:
        """Let every conflict end within an hour from now, because the clock was set back."""
        self._store.rows("files.rewind", now=self._store.now)
        self._store.rows("conflicts.rewind", expires_at=self._store.now + WITHIN_S * SECOND)

    # -- small parts --------------------------------------------------------------------------------------------------

    def _write_beside(self, file: dict[str, Any], other_id: str, other: Row) -> None:
        """Record that a session has written a file that another live session wrote a short time before."""
        now, session_id = self._store.now, file["session_id"]
        _, _, _, worktree, branch, path, written_at = other
        known = self._between(session_id, other_id, **{name: file[name] for name in ("project", "place", "repository")})
        if known is None:
            if not self._has_room(session_id) or not self._has_room(other_id):
                return
            theirs = {"session_id": other_id, "worktree": worktree, "branch": branch, "path": path}
            self._find(file, theirs, written_at)
            return
        conflict_id, settled_at, found_at = known
        if settled_at is not None:
            return
        self._store.rows(
            "conflicts.write_again",
            conflict_id=conflict_id,
            now=now,
            **{name: file[name] for name in ("session_id", "worktree", "branch", "path")},
        )
        until = max(found_at, written_at) + WITHIN_S * SECOND
        self._store.rows("conflicts.prolong", conflict_id=conflict_id, expires_at=until)

    def _find(self, file: dict[str, Any], theirs: dict[str, Any], written_at: int) -> None:
        """Record and publish a new conflict, and mark both sessions' hooks as due."""
        now, conflict_id = self._store.now, new_id()
        about = {name: file[name] for name in ("project", "place", "repository")}
        mine = {name: file[name] for name in theirs}
        for side, party, at in ((0, theirs, written_at), (1, mine, now)):
            self._store.rows("conflicts.insert_party", conflict_id=conflict_id, side=side, written_at=at, **party)
        until = now + WITHIN_S * SECOND
        self._store.rows(
            "conflicts.insert",
            conflict_id=conflict_id,
            seq=0,
            path=file["relative"],
            now=now,
            expires_at=until,
            **about,
        )
        conflict = self._require(conflict_id)
        self._publish("conflict.found", conflict, file["session_id"])
        self._store.rows("conflicts.number", conflict_id=conflict_id)
        self.bus.due_sessions.update((file["session_id"], theirs["session_id"]))

    def _open_row(self, conflict_id: str) -> Row | None:
        """Return the row of a conflict that is not settled and that the caller may see."""
        row = self._store.one("conflicts.get", conflict_id=conflict_id)
        return None if row is None or row[SETTLED_AT] is not None or not self.bus.sees(row[2]) else row

    def _between(self, session_id: str, other_id: str, **about: str) -> Row | None:
        return self._store.one("conflicts.between", session_id=session_id, other_id=other_id, **about)

    def _has_room(self, session_id: str) -> bool:
        row = self._store.one("conflicts.count", session_id=session_id)
        return row is None or row[0] < MAX_CONFLICTS

    def _require(self, conflict_id: str) -> Conflict:
        row = self._store.one("conflicts.get", conflict_id=conflict_id)
        assert row is not None  # noqa: S101 (it was just written)
        return _conflict(row)

    def _end(self, row: Row, cause: str) -> None:
        """Delete a conflict, and publish its end unless it was settled before."""
        self._store.rows("conflicts.delete", conflict_id=row[0])
        if row[SETTLED_AT] is None:
            self._publish("conflict.settled", _conflict(row), None, cause=cause)

    def _publish(self, kind: str, conflict: Conflict, session_id: str | None, **more: str) -> None:
        is_session = session_id is not None and not session_id.startswith(PERSON)
        by = {"by": session_id} if kind == "conflict.settled" and session_id else {}
        self.bus.events.append(
            kind,
            conflict.project,
            session_id if is_session else None,
            conflict_id=conflict.conflict_id,
            path=conflict.path,
            kind=conflict.kind,
            session_ids=[each.session_id for each in conflict.sessions],
            **by,
            **more,
        )


MERGE, SETTLED_AT = 5, 9  # columns of `both_sides`, before those of the two sessions


def _conflict(row: Row) -> Conflict:
    """Return the columns of the fragment `both_sides` as a record."""
    conflict_id, seq, project, path, found_at, merge, lines, files, tried_at, _ = row[: SETTLED_AT + 1]
    sides = [row[SETTLED_AT + 1 :][:PARTY], row[SETTLED_AT + 1 + PARTY :]]
    one, two = (ConflictParty.of((*side[:-1], to_datetime(side[-1]))) for side in sides)
    kind = SAME_WORKTREE if one.worktree == two.worktree else OTHER_WORKTREE
    named = decode(files) if files else []
    tried = None if tried_at is None else to_datetime(tried_at)
    facts = (conflict_id, seq, project, path, kind, to_datetime(found_at), merge, lines, named, tried)
    return Conflict.of((*facts, [one, two]))


def as_seen_by(session_id: str, conflict: Conflict) -> FileConflict:
    """Return a conflict as one of its two sessions sees it: the file, the other session, and what it means."""
    (other,) = (each for each in conflict.sessions if each.session_id != session_id)
    meaning = BOTH_WRITE if conflict.kind == SAME_WORKTREE else f"same file, other worktree: {_at_the_merge(conflict)}"
    return FileConflict.of(
        (
            conflict.conflict_id,
            conflict.seq,
            conflict.kind,
            conflict.path,
            other.session_id,
            other.name,
            other.branch,
            meaning,
        )
    )


def _at_the_merge(conflict: Conflict) -> str:
    if conflict.merge == "clean":
        return "as they are now, the two merge cleanly"
    if conflict.merge == "conflict":
        word, lines = "line" if (conflict.merge_lines or "").isdigit() else "lines", conflict.merge_lines
        return f"the merge conflicts at {word} {lines}" if lines else "the merge conflicts"
    return "both changes meet at the merge"
