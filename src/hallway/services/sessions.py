"""The sessions of a bus: register, heartbeat, status, find, expire.

Every reader sweeps: the bus calls `sweep` at the start of every transaction, so an expired session is offline for every
reader at the same instant, and exactly one transaction writes its expiry (S2, S3).
"""

from __future__ import annotations

from hallway.core.authorization import authorise
from hallway.core.clock import SECOND, to_datetime
from hallway.core.errors import InvalidInput, SessionElsewhere, SessionNotFound
from hallway.core.model import (
    EVERYBODY,
    ActiveSession,
    ActiveSessions,
    Heartbeat,
    Json,
    PeerSession,
    Session,
    SessionLabel,
    SessionStats,
)
from hallway.core.naming import UNNAMED
from hallway.core.operation import operation
from hallway.core.parameters import OTHERS_DEFAULT, TTL_DEFAULT_S
from hallway.core.parties import distinct_names, sessions_in
from hallway.core.schema import decode, encode
from hallway.services.base import Service
from hallway.services.session_names import SessionNames
from hallway.services.session_references import SessionReferences

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from hallway.core.context import Context
    from hallway.store import Row

ACTS_EVERY_S = 10  # how often an act is written down as a sign of life
LIST_PAGE = 1000
SWEEP_AT_ONCE = 500  # so that one reader never pays for a night of expiries
CONTINUED_AS = "continued as "  # begins the end reason of a session that goes on under the id that follows


class SessionRegistry(Service, noun="sessions"):
    """The sessions of a bus, and what they work on."""

    def __init__(self, bus: Context | Service | str | PathLike[str] | None = None) -> None:
        super().__init__(bus)
        self.names = SessionNames(self.bus)
        self.references = SessionReferences(self.bus)

    @operation("POST /sessions", verb="register", takes_id=True)
    def register(
        self,
        session_id: str,
        agent_name: str,
        agent_type: str,
        human_user: str | None = None,
        capabilities: list[str] | None = None,
        metadata: dict[str, Json] | None = None,
        project: str | None = None,
        *,
        current_task: str | None = None,
        status: str | None = None,
        reason: str | None = None,
        detail: str | None = None,
        location: str | None = None,
        branch: str | None = None,
        ttl_s: int | None = None,
        move: bool = False,
        name: str | None = None,
        client_name: str | None = None,
    ) -> Session:
        """Register a session, or update its description.

        Twice updates and never duplicates: what is left out stays as it was, `started_at` always does (S1). An ended
        or expired session is live again. For a new session, what is left out of project, user, location and branch
        is taken from where the caller runs. Its `name` is the one given, else the client's own name of the session
        (`client_name`), the branch unless it is a default one, the folder, or the client; with a number where another
        live session of the project has it (S9). A `client_name` is told at the start and when it changes: it replaces a
        name that hallway chose, but not one that a person or agent gave. Raises SessionElsewhere where the session is
        live in another project than that of the call or of the caller's folder, and not told to `move`.
        """
        values = {
            "agent_name": agent_name,
            "agent_type": agent_type,
            "human_user": human_user,
            "capabilities": capabilities,
            "metadata": metadata,
            "project": project or self.bus.here.project,
            "current_task": current_task,
            "status": status,
            "reason": reason,
            "detail": detail,
            "location": location,
            "branch": branch,
            "ttl_s": ttl_s,
            "name": name,
            "client_name": client_name,
        }
        return self._upsert_alive(session_id, values, move=move)

    @operation(
        "POST /sessions/{session_id}/heartbeat", verb="heartbeat", is_durable=False, registers=True, takes_id=True
    )
    def heartbeat(
        self,
        session_id: str,
        *,
        project: str | None = None,
        current_task: str | None = None,
        status: str | None = None,
        reason: str | None = None,
        detail: str | None = None,
        agent_name: str | None = None,
        agent_type: str | None = None,
        branch: str | None = None,
        ttl_s: int | None = None,
        move: bool = False,
        name: str | None = None,
        client_name: str | None = None,
        limit: int = OTHERS_DEFAULT,
    ) -> Heartbeat:
        """Report that a session is alive and what it does; return the other sessions.

        One row is written; an event is published only when something other than `last_seen` changed (S5). An unknown
        id is registered (S1), an ended or expired session is live again (S4). The others are the live sessions of the
        project, newest first, at most `limit` of them, beside their total. A reason and a detail say why a session is
        waiting or idle; both end with the status or reason they were said with. `name` and `client_name` are as in
        `register`: say them when they change, since any other heartbeat is quicker. Raises SessionElsewhere where the
        session is live in another project than the one named, and not told to `move`.
        """
        if status == "offline":
            raise InvalidInput(
                "a heartbeat says that a session is alive, so its status cannot be offline",
                hint="End the session instead (end)",
            )
        if (agent_name, agent_type, reason, detail, name, client_name) == UNSAID:
            row = self._store.one(
                "sessions.heartbeat",
                now=self._store.now,
                session_id=session_id,
                status=status,
                current_task=current_task,
                branch=branch,
                project=project,
                ttl_s=ttl_s,
            )
            if row:
                own_id, in_project, is_now, own_name = row
                return self._answer(session_id, own_name, own_id, in_project, is_now, limit)
        values = {
            "project": project,
            "current_task": current_task,
            "status": status,
            "reason": reason,
            "detail": detail,
            "agent_name": agent_name,
            "agent_type": agent_type,
            "branch": branch,
            "ttl_s": ttl_s,
            "name": name,
            "client_name": client_name,
        }
        session = self._upsert_alive(session_id, values, move=move)
        row = self._store.one("sessions.exists", session_id=session_id)
        own_id = row[0] if row else -1
        return self._answer(session_id, session.name, own_id, session.project, session.status, limit)

    @operation("POST /sessions/{session_id}/ping", verb="ping", is_durable=False, unknown=False)
    def ping(self, session_id: str, *, unless_ended: bool = False) -> Session:
        """Keep a session alive without changing anything else; raises SessionNotFound for an unknown id.

        One that is offline becomes live again; with `unless_ended`, only one that had expired. In Python, a
        registry opened without a bus, as `SessionRegistry(path)`, returns False for an unknown id.
        """
        self._store.exclusive()  # so that nobody ends the session between this read and the write
        session = self.require(session_id)
        is_ended = not session.is_live and session.end_reason != "expired"
        return session if unless_ended and is_ended else self._upsert_alive(session_id, {}, is_progress=False)

    @operation("PATCH /sessions/{session_id}", verb="status", registers=True)
    def update_status(
        self,
        session_id: str,
        status: str,
        current_task: str | None = None,
        *,
        reason: str | None = None,
        detail: str | None = None,
    ) -> Session:
        """Set a session's status: active, idle, working, waiting or offline; for waiting and idle, also the reason.

        `offline` ends it. Any other status also counts as a heartbeat. A new status or reason removes the earlier
        reason and detail. Raises SessionNotFound for `offline` and an unknown id.
        """
        if status == "offline":
            _check_reason(status, reason, detail)
            return self._end(self.require(session_id), "status")
        values = {"status": status, "reason": reason, "detail": detail, "current_task": current_task}
        return self._upsert_alive(session_id, values)

    @operation("POST /sessions/{session_id}/status", body="blob", registers=True)
    def set_status_detail(self, session_id: str, blob: dict[str, Json]) -> Session:
        """Set a JSON object as the session's status detail, replacing the previous one; counts as a heartbeat."""
        return self._upsert_alive(session_id, {"status_detail": blob})

    @operation("GET /sessions/active")
    def active(self, project: str | None = None, *, limit: int = OTHERS_DEFAULT) -> ActiveSessions:
        """Return the live sessions of a project, newest first, and how many there are."""
        project = self.bus.project_for(project)
        if not self.bus.sees(project):
            return ActiveSessions.of((project, [], 0))
        rows = self._store.rows("sessions.active", project=project, now=self._store.now, limit=limit)
        return ActiveSessions.of((project, [_active(row) for row in rows], self._count_live(project)))

    @operation("GET /project")
    def current_project(self, session_id: str | None = None) -> str:
        """Return the default project, for a call that names none.

        It is the project of the given session, else of the calling session, else of the caller's directory, else the
        only project of the caller's token. Raises ProjectNeeded if there is none of these.
        """
        return self.bus.project_for(None, session_id)

    @operation("GET /sessions/{session_id}", verb="show", unknown=None)
    def get(self, session_id: str) -> Session:
        """Return one session, live or not; raises SessionNotFound.

        In Python, a registry opened without a bus, as `SessionRegistry(path)`, returns None for an unknown id.
        """
        return self.require(session_id)

    @operation("GET /sessions", verb="list", is_of_all=True)
    def find_sessions(
        self,
        status: str | None = None,
        agent_type: str | None = None,
        human_user: str | None = None,
        capability: str | None = None,
        *,
        project: str | None = None,
        include_offline: bool = False,
        after_id: str | None = None,
        limit: int = 200,
    ) -> list[Session]:
        """Find sessions, newest registration first; all filters must match.

        Only live sessions, unless `include_offline` is given, or a `status` of offline. For the next page pass the
        last id of this page; raises SessionNotFound if that session was removed. Without a project, all projects are
        searched.
        """
        rows = self._store.rows(
            "sessions.find",
            now=self._store.now,
            project=project,
            status=status,
            agent_type=agent_type,
            human_user=human_user,
            capability=capability,
            after_id=after_id,
            limit=limit,
            visible=self.bus.visible,
            include_offline=include_offline or status == "offline",
        )
        if after_id is not None and not rows:
            self._require_anchor(after_id)
        return [_session(row) for row in rows]

    @operation("GET /names")
    def find_names(self, session_ids: list[str]) -> list[SessionLabel]:
        """Return the names of sessions, live or not; ids that are not on the bus are left out."""
        rows = self._store.rows("sessions.find_names", session_ids=encode(session_ids), visible=self.bus.visible)
        return [SessionLabel.of((session_id, name, bool(is_shared))) for session_id, name, is_shared in rows]

    def names_in(self, result: object) -> dict[str, str]:
        """Return the names of the sessions that a result is about, by their ids.

        The result is a record, an address, or a list of them; a record that has its session's name needs none. A name
        that several sessions have or had comes with the beginning of the session's id.
        """
        ids = sorted(sessions_in(result))
        pages = (ids[at : at + LIST_PAGE] for at in range(0, len(ids), LIST_PAGE))
        return distinct_names(each for page in pages for each in self.find_names(page))

    def list_sessions(self, include_offline: bool = False, project: str | None = None) -> list[Session]:
        """Return all matching sessions, newest registration first, reading as many pages as necessary."""
        sessions: list[Session] = []
        while True:
            page = self._page_after(sessions, include_offline, project)
            sessions += page
            if len(page) < LIST_PAGE:
                return sessions

    def _page_after(self, sessions: list[Session], include_offline: bool, project: str | None) -> list[Session]:
        """Return the page after the last session that still exists: the last ones may have been removed meanwhile."""
        filters: dict[str, Any] = {"project": project, "include_offline": include_offline, "limit": LIST_PAGE}
        for anchor in reversed(sessions):
            try:
                return self.find_sessions(after_id=anchor.session_id, **filters)
            except SessionNotFound:
                continue
        return self.find_sessions(**filters)

    @operation("POST /sessions/{session_id}/end", verb="end")
    def end(self, session_id: str, end_reason: str = "ended") -> Session:
        """End a session: it is offline at once and kept until pruned.

        Ending it twice changes nothing. Ending an expired session keeps the time of the expiry and sets the reason;
        later operations of the session then no longer make it live (S12).
        """
        return self._end(self.require(session_id), end_reason)

    @operation("POST /sessions/{session_id}/continue", verb="continue")
    def succeed(self, session_id: str, continues: str) -> Session:
        """Say that a session goes on where another one left off, whose client gave it a new id (`/clear`, a fork).

        The session gets the other's name, unread messages and tasks, and its capabilities where it has none. The other
        ends, those who talked with it are told, and a message to it reaches the new one, which the sender is told.
        Repeating it moves what has come since. Raises SessionNotFound for an unknown id.
        """
        if continues == session_id:
            raise InvalidInput(f"{session_id} cannot continue itself", hint="Name the session that it follows")
        if self.bus.principal is not None:  # who may end a session may say what it goes on as
            authorise(self.bus, self.bus.principal, type(self).operations["end"], {"session_id": continues})
        before, session = self.require(continues), self.require(session_id)
        row = self._store.one("sessions.continued_by", session_id=continues)
        is_known = row is not None and row[0] == session_id
        if before.capabilities and not session.capabilities:
            self._upsert_alive(session_id, {"capabilities": before.capabilities})
        tasks = self.bus.tasks.succeed(session_id, continues)
        messages = self.bus.messages.succeed(session_id, continues)
        self.bus.claims.succeed(session_id, continues)
        self.bus.files.succeed(session_id, continues)
        self.bus.conflicts.succeed(session_id, continues)
        self.bus.requests.succeed(session_id, continues)
        if is_known:
            return session
        self.bus.messages.tell_of_successor(session_id, continues, session.project)
        self._end(before, f"{CONTINUED_AS}{session_id}")
        self.names.pass_on(session, before)
        self._store.rows("sessions.continue_as", session_id=session_id, continues=continues)
        self.bus.events.append(
            "session.continued", session.project, session_id, continues=continues, messages=messages, tasks=tasks
        )
        return self.require(session_id)

    @operation("POST /sessions/{session_id}/rename", verb="rename")
    def rename(self, session_id: str, name: str) -> Session:
        """Give a session another name; an agent may rename its own. What is sent to it reaches it as before.

        It keeps the name from then on: neither its client nor hallway changes it. Raises NameTaken if another live
        session of the project has the name, and SessionNotFound for an unknown session.
        """
        session = self.require(session_id)
        self.names.rename(session, name)
        return self.require(session.session_id)

    def unregister(self, session_id: str) -> Session:
        """End a session: another name for `end`."""
        return self.end(session_id)

    @operation("DELETE /sessions", verb="clear-offline")
    def clear_offline(self, older_than_s: int = 0, *, project: str | None = None, all_projects: bool = False) -> int:
        """Remove ended sessions, or those that ended at least this many seconds ago; return their number (S6).

        Only sessions of one project, unless `all_projects` is given.
        """
        if all_projects and project:
            raise InvalidInput("a project is named, and all projects are, too", hint="Leave one of the two out")
        return self._clear(
            self._store.now - older_than_s * SECOND, None if all_projects else self.bus.project_for(project)
        )

    def get_stats(self, project: str | None = None) -> SessionStats:
        """Return the number of sessions by status, type and user."""
        return self.bus.stats(project).sessions

    # -- called by the bus and by other services, inside a transaction ------------------------------------------------

    def stats(self, project: str | None = None) -> SessionStats:
        by_status: dict[str, int] = {}
        by_type: dict[str, int] = {}
        by_user: dict[str, int] = {}
        for status, agent_type, user, count in self._store.rows(
            "sessions.counts", now=self._store.now, project=project, visible=self.bus.visible
        ):
            by_status[status] = by_status.get(status, 0) + count
            by_type[agent_type] = by_type.get(agent_type, 0) + count
            by_user[user or UNNAMED] = by_user.get(user or UNNAMED, 0) + count
        total, offline = sum(by_status.values()), by_status.get("offline", 0)
        return SessionStats.of((total, total - offline, offline, by_status, by_type, by_user))

    def prune_old(self, before: int, limit: int) -> int:
        return self._clear(before, None, limit)

    def _clear(self, before: int, project: str | None, limit: int = -1) -> int:
        """Remove sessions that ended before a time, at most `limit` of them (-1: all); return their number."""
        while not self.bus.is_swept:
            self.bus.is_swept = self.sweep()
        cleared: dict[str, list[str]] = {}
        for session_id, in_project in self._store.rows("sessions.clear", before=before, project=project, limit=limit):
            cleared.setdefault(in_project, []).append(session_id)
        for in_project, ids in cleared.items():
            self.bus.events.append("session.cleared", in_project, count=len(ids), session_ids=ids[:100])
        return sum(map(len, cleared.values()))

    def note_act(self, session_id: str, *, registers: bool = False, project: str | None = None) -> None:
        """Record an operation of a session as a sign of life (S12), in the operation's transaction.

        An expired session is live again; a session that was ended on purpose stays ended. An unknown session is
        registered in the operation's project if the operation `registers`. The row is written at most once in
        `ACTS_EVERY_S`, or in a third of a short time to live.
        """
        row = self._store.one("sessions.seen", session_id=session_id)
        if row is None and registers:
            self._upsert_alive(session_id, {"project": project})
        elif self._is_worth_noting(row):
            self._upsert_alive(session_id, {})

    def needs_note(self, session_id: str) -> bool:
        """Return whether `note_act` would write that a known session is alive."""
        return self._is_worth_noting(self._store.one("sessions.seen", session_id=session_id))

    def _is_worth_noting(self, row: Row | None) -> bool:
        if row is None:
            return False
        seen_at, ttl_s, ended_at, end_reason = row
        is_old: bool = seen_at + min(ACTS_EVERY_S * SECOND, ttl_s * SECOND // 3) <= self._store.now
        return bool(end_reason == "expired") if ended_at is not None else is_old

    def sweep(self) -> bool:
        """Write overdue expiries, each exactly once (S3); return False if more are left than one sweep processes."""
        self._store.exclusive()
        now = self._store.now
        if self._store.rows("sessions.rewind_clock", now=now):
            self._store.rows("sessions.rewind", now=now)
            self._store.rows("claims.rewind", now=now)
            self.bus.conflicts.on_clock_set_back()
            self.bus.requests.on_clock_set_back()
        self._leave_out_pauses()
        self._store.rows("sessions.postpone_check", now=now, limit=SWEEP_AT_ONCE)
        self._expired(self._store.rows("sessions.expire", now=now, limit=SWEEP_AT_ONCE))
        self.bus.claims.sweep()
        self.bus.conflicts.sweep()
        self.bus.requests.sweep()
        return self._store.one("sessions.due", now=now) is None

    def _leave_out_pauses(self) -> None:
        """Have sessions expire later by the time for which this machine slept, or this hub was frozen (S13)."""
        now = self._store.now
        for before, pause in self.bus.take_pauses():
            self._store.rows("sessions.leave_out_pause", before=before, pause=pause, now=now)
            self.bus.requests.on_pause(before, pause)
            self._store.rows("sessions.advance_clock", now=now)

    def _expired(self, rows: list[Row]) -> None:
        present = self.bus.present_sessions() if rows else set()  # silent, but their processes run (S13)
        for session_id, project, last_seen in rows:
            self.bus.events.append("session.expired", project, session_id, last_seen=to_datetime(last_seen))
            if session_id not in present:
                self.bus.on_session_ended(session_id, project)

    def resolve(self, reference: str, project: str | None = None) -> str:
        """Return the id of the session that a reference means: see `SessionReferences.resolve`."""
        return self.references.resolve(reference, project)

    def called(self, party: str) -> str:
        """Return a session's name for an error or a notice; for another address, the address itself."""
        row = self._store.one("sessions.naming", session_id=party)
        return "the project" if party == EVERYBODY else str(row[2]) if row and row[2] else party

    def require(self, session_id: str) -> Session:
        """Return a session that the caller may see; else raise SessionNotFound, suggesting similar ids."""
        row = self._store.one("sessions.get", now=self._store.now, session_id=session_id)
        if row is None or not self.bus.sees(row[4]):
            raise self.references.unknown(session_id)
        return _session(row)

    def _require_anchor(self, after_id: str) -> None:
        """Raise SessionNotFound if the previous page's last session was removed: the next page is then unknown."""
        row = self._store.one("sessions.get", now=self._store.now, session_id=after_id)
        if row is None or not self.bus.sees(row[4]):
            raise SessionNotFound(
                f"no session has the id {after_id!r} any more, so the page after it is not known",
                hint="Begin with the first page again, or go on after an earlier session of the page before",
            )

    def _answer(self, session_id: str, name: str, own_id: int, project: str, status: str, limit: int) -> Heartbeat:
        others = self._peers(project, own_id, limit)
        live, unread, is_in_conflict = self._heartbeat_counts(session_id, project)
        conflicts = self.bus.conflicts.in_heartbeat(session_id) if is_in_conflict else []
        return Heartbeat.of((session_id, name, project, status, others, max(live - 1, 0), unread, conflicts))

    def _peers(self, project: str, except_id: int, limit: int) -> list[PeerSession]:
        rows = self._store.rows(
            "sessions.peers", project=project, now=self._store.now, except_id=except_id, limit=limit
        )
        return [PeerSession.of(row) for row in rows]

    def _heartbeat_counts(self, session_id: str, project: str) -> tuple[int, int, bool]:
        """Return the numbers of a project's live sessions and of a session's waiting messages (at most 1000), and
        whether the session is in a conflict.
        """
        row = self._store.one("sessions.heartbeat_counts", session_id=session_id, project=project, now=self._store.now)
        live, unread, is_in_conflict = row or (0, 0, False)
        return (live or 0) if self.bus.is_swept else self._count_live(project), unread, is_in_conflict

    def _count_live(self, project: str) -> int:
        if self.bus.is_swept:
            row = self._store.one("sessions.live_in_project", project=project)
        else:  # a sweep left overdue sessions, which the projects' counts still include
            row = self._store.one("sessions.count_live", project=project, now=self._store.now)
        return int(row[0]) if row else 0

    def _upsert_alive(
        self, session_id: str, values: dict[str, Any], *, move: bool = False, is_progress: bool = True
    ) -> Session:
        """Write what a session said of itself, and that it is alive now; publish what changed.

        A live session changes its project only if it is told to `move`; else SessionElsewhere says where it lives.
        Without `is_progress` it says only that the session's process runs, not that the session does something.
        """
        self._store.exclusive()
        if not self.bus.is_swept:  # a sweep left overdue sessions, perhaps this one
            self._expired(self._store.rows("sessions.expire_one", now=self._store.now, session_id=session_id))
        row = self._store.one("sessions.get", now=self._store.now, session_id=session_id)
        values = {name: value for name, value in values.items() if value is not None}
        if values.get("status") == "offline":
            raise InvalidInput(
                "who registers is alive, so its status cannot be offline",
                hint="End the session instead (end)",
            )
        before = _session(row) if row else None
        values = _with_reason(values, before)
        if row is None or before is None:
            self._insert(session_id, values)
            return self.require(session_id)
        is_moved = before.is_live and values.get("project", before.project) != before.project
        if is_moved:
            values = self._moved(before, values, is_meant=move)
        naming = self.names.next_of(before, values)
        values = {name: value for name, value in {**values, **naming}.items() if name not in OF_NAMES}
        current = _columns(before.to_dict())  # compared as JSON, for which 1 and true differ
        changed = {name: values[name] for name, value in _columns(values).items() if current[name] != value}
        if not before.is_live:
            changed.setdefault("status", values.get("status", "active"))
        columns = {"name_base": None, "name_source": None, **naming, **current, **_columns(changed)}
        is_new_status = "status" in changed or "reason" in changed
        columns["status_since"] = self._store.now if is_new_status else row[STATUS_SINCE]
        progress_at = self._store.now if is_progress else None
        self._store.change("sessions.replace", **columns, progress_at=progress_at, now=self._store.now)
        if not before.is_live:
            self.bus.events.append("session.resumed", columns["project"], session_id, was=before.end_reason, **changed)
            self.bus.tasks.on_session_resumed(session_id)
            self.bus.requests.on_session_resumed(session_id, columns["project"])
            self._mark_peers_due(columns["project"])
        elif is_moved:
            self.bus.events.append("session.left", before.project, session_id)
            self.bus.claims.on_session_ended(session_id, before.project)
            self.bus.due_edits.add(before.project)  # where nobody claimed anything, unlike in the other project perhaps
            self.bus.conflicts.on_session_ended(session_id, before.project)
            self.bus.events.append("session.moved", columns["project"], session_id, **changed)
            self._mark_peers_due(before.project)
            self._mark_peers_due(columns["project"])
        elif changed:
            if "name" in changed:
                self.names.tell(before, changed.pop("name"))
            if changed:
                self.bus.events.append("session.updated", columns["project"], session_id, **changed)
        if before.is_live and changed.get("status") == "idle":
            self.bus.requests.on_turn_ended(session_id)
        return self.require(session_id) if naming or changed or not before.is_live else self._seen_now(before)

    def _moved(self, session: Session, values: dict[str, Any], *, is_meant: bool) -> dict[str, Any]:
        """Return what a session that moves to another project said, with where it runs now."""
        if not is_meant:
            raise SessionElsewhere(
                f"the session {session.session_id!r} lives in {session.project}, not in {values['project']}",
                project=session.project,
            )
        here = {"location": self.bus.here.location, "branch": self.bus.here.branch}
        return {**{name: value for name, value in here.items() if value is not None}, **values}

    def _mark_peers_due(self, project: str) -> None:
        """Make the hooks of a project's newest sessions read the bus after a session came or left."""
        rows = self._store.rows(
            "sessions.peers", project=project, now=self._store.now, except_id=-1, limit=OTHERS_DEFAULT
        )
        self.bus.due_sessions.update(row[0] for row in rows)

    def _seen_now(self, session: Session) -> Session:
        return session.replace(last_seen=max(session.last_seen, to_datetime(self._store.now)))

    def _insert(self, session_id: str, values: dict[str, Any]) -> None:
        here = self.bus.here
        columns = {
            "session_id": session_id,
            "agent_name": UNNAMED,
            "agent_type": UNNAMED,
            "project": values.get("project") or self.bus.project_for(None, session_id),
            "status": "active",
            "reason": None,
            "detail": None,
            "current_task": None,
            "status_detail": None,
            "human_user": here.user,
            "location": here.location,
            "branch": here.branch,
            "capabilities": [],
            "metadata": {},
            "ttl_s": TTL_DEFAULT_S,
            **values,
        }
        is_here = not {"branch", "location"} & values.keys()
        columns |= self.names.first_of(columns, is_here=is_here)
        principal = self.bus.principal.name if self.bus.principal else None
        self._leave_out_pauses()  # which also notes that the machine is awake, before any session can expire
        self._store.change("sessions.insert", **_columns(columns), principal=principal, now=self._store.now)
        self.bus.events.append(
            "session.registered", columns["project"], session_id, **{name: columns[name] for name in IN_EVENT}
        )
        self._mark_peers_due(columns["project"])

    def _end(self, session: Session, reason: str) -> Session:
        if session.is_live:
            now = self._store.now
            self._store.rows("sessions.end", session_id=session.session_id, now=now, end_reason=reason)
            self.bus.events.append("session.ended", session.project, session.session_id, end_reason=reason)
            self.bus.on_session_ended(session.session_id, session.project)
            self._mark_peers_due(session.project)
            return self.require(session.session_id)
        if self._is_better_reason(session, reason):
            self._store.rows("sessions.correct_reason", session_id=session.session_id, end_reason=reason)
            self.bus.events.append("session.updated", session.project, session.session_id, end_reason=reason)
            self.bus.on_session_ended(session.session_id, session.project)  # what its process kept for it until now
            return self.require(session.session_id)
        return session

    def _is_better_reason(self, session: Session, reason: str) -> bool:
        """Return whether an end may replace an earlier one: the session only expired, or its end was only inferred."""
        if session.end_reason == "expired":
            return reason != "expired"
        if session.end_reason not in INFERRED or reason in (*INFERRED, "ended") or session.ended_at is None:
            return False
        return (to_datetime(self._store.now) - session.ended_at).total_seconds() < INFERRED_S


INFERRED = ("client closed", "process gone")  # end reasons inferred from outside; a client's hook may know the real one
INFERRED_S = 10

UNSAID = (None,) * 6
OF_NAMES = ("client_name", "name_base", "name_source")  # which are no fields of a session
IN_EVENT = (
    "name",
    "agent_name",
    "agent_type",
    "status",
    "reason",
    "current_task",
    "human_user",
    "location",
    "branch",
)
JSON_COLUMNS = ("capabilities", "metadata", "status_detail")
STATUS_SINCE = 8  # the place of the column in `sessions.get`
WITH_REASON = ("waiting", "idle")  # the statuses that have a reason and a detail


def _with_reason(values: dict[str, Any], before: Session | None) -> dict[str, Any]:
    """Add to a session's new values the reason and detail that follow from them (S11).

    Reason and detail belong to the status they were set with: a new status or reason removes the earlier ones.
    """
    is_live = before is not None and before.is_live
    status = values.get("status", before.status if before and is_live else "active")
    _check_reason(status, values.get("reason"), values.get("detail"))
    is_same = before and is_live and status == before.status and values.get("reason") in (None, before.reason)
    values = values if is_same else {"reason": None, "detail": None, **values}
    return {**values, "detail": values["detail"] or None} if "detail" in values else values


def _check_reason(status: str, reason: str | None, detail: str | None) -> None:
    if (reason or detail) and status not in WITH_REASON:
        raise InvalidInput(
            f"a session that is {status} has no reason and no detail",
            hint="Say them with the status waiting or idle",
        )


def _active(row: Row) -> ActiveSession:
    """Return a session from the columns of `sessions.active`."""
    *peer, detail, last_seen = row
    return ActiveSession.of((*peer, None if detail == "null" else decode(detail), to_datetime(last_seen)))


def _session(row: Row) -> Session:
    """Return a session from the columns of `sessions.get`."""
    (
        session_id,
        name,
        agent_name,
        agent_type,
        project,
        status,
        reason,
        detail,
        status_since,
        task,
        blob,
        user,
        location,
        branch,
        capabilities,
        metadata,
        started_at,
        last_seen,
        ttl_s,
        ended_at,
        end_reason,
    ) = row
    return Session.of(
        (
            session_id,
            name,
            agent_name,
            agent_type,
            project,
            "offline" if ended_at else status,
            None if ended_at else reason,
            None if ended_at else detail,
            to_datetime(ended_at or status_since),
            task,
            None if blob == "null" else decode(blob),
            user,
            location,
            branch,
            [] if capabilities == "[]" else decode(capabilities),
            {} if metadata == "{}" else decode(metadata),
            to_datetime(started_at),
            to_datetime(last_seen),
            ttl_s,
            to_datetime(ended_at) if ended_at else None,
            end_reason,
        )
    )


def _columns(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields as parameters of the statements: JSON values become text."""
    return {name: encode(value) if name in JSON_COLUMNS else value for name, value in fields.items()}
