"""Claims: leases on paths and other resources, so that two sessions do not work on one thing unknowingly.

A claim is granted whole or refused whole, in one write transaction, of which a bus runs one at a time (C1). A
claim that waits has a place in the queue: no overlapping claim that was asked for later is granted before it. When a
claim ends, the waiting claims that it blocked are granted in the same transaction. Each grant has a number, which only
rises in its project: a resource that is passed the number can refuse a process that has lost its claim meanwhile.
"""

from __future__ import annotations

import time

from hallway.core.clock import SECOND, new_id
from hallway.core.errors import ClaimNotFound, ClaimRefused, InvalidInput, Refused, SessionElsewhere
from hallway.core.globs import MAX_DEPTH, glob_of, normalize
from hallway.core.model import PERSON, Claim, EditCheck, Json
from hallway.core.near_names import did_you_mean, near_matches
from hallway.core.operation import operation
from hallway.core.parameters import CLAIM_TTL_S
from hallway.core.schema import encode, quote_value
from hallway.core.topics import topic
from hallway.services.base import Service
from hallway.services.reply_wait import ONE_WAIT_S
from hallway.services.rows import record_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from hallway.store import Row

RESOURCE = "resource:"  # prefix of a name that is no path
MAX_CLAIMS = 1000  # of one session
ENDED_AT_ONCE = 500  # so that one writer never pays for a night of claims that ran out
PAGE = 1000  # claims that are read at once
LAST_NUMBER = 2**62  # after every place in a queue
AFTER_ALL = "\U0010ffff"  # sorts after every continuation of a text


class ClaimRegistry(Service, noun="claims"):
    """The claims of sessions on paths and other resources."""

    @operation("POST /claims")
    def claim(
        self,
        session_id: str,
        paths: list[str],
        intent: str = "",
        *,
        mode: str = "exclusive",
        ttl_s: int = CLAIM_TTL_S,
        queue_s: int = 0,
        task_id: str | None = None,
        ignores_case: bool = False,
        notify: bool = False,
        project: str | None = None,
    ) -> Claim:
        """Claim paths or resources for a session or person: all of them or none.

        Paths are globs relative to the repository's root (`src/api/**`); `resource:NAME` is anything else. The claim
        ends when it is released, after `ttl_s` seconds, or with its session. Claiming the same again renews it. Shared
        claims may overlap each other. If another session's claim is in the way, ClaimRefused names every holder; with
        `queue_s` the claim waits for its turn that long instead, and its `state` is `waiting` (see `granted`). With
        `notify` a message says when it is granted, which starts a turn in an idle session. A claim for a task goes
        along when the task is handed over. The project is the session's; a person may name one.
        """
        project = self._project_of(session_id, project)
        wanted = sorted({checked_path(each) for each in paths})
        if not wanted:
            raise InvalidInput("no path is named", hint="Name what you claim: src/api/**, or resource:NAME")
        named = {"session_id": session_id, "project": project, "paths": encode(wanted), "mode": mode}
        now = self._store.now
        rival_reads = self._rival_reads(project, session_id, wanted, mode, LAST_NUMBER)
        own_reads = ("claims.same", {**named, "now": now}), ("claims.count", {"session_id": session_id})
        self._store.read_ahead(*own_reads, *rival_reads)
        row = self._store.one("claims.same", now=now, **named)
        if row is not None:
            renewed = {"ttl_s": ttl_s, "intent": intent or None, "task_id": task_id, "expires_at": now + ttl_s * SECOND}
            self._store.change("claims.renew", claim_id=row[0], **renewed)
            return self.require(row[0])
        self._require_room(session_id)
        rivals = self._overlapping(wanted, rival_reads, ignores_case=ignores_case)
        if rivals and not queue_s:
            refused: Claim = self._refused(session_id, project, wanted, mode, intent, rivals)
            return refused  # an error, which is raised after the commit
        claim_id, is_granted, number = new_id(), not rivals, self._draw_number(project)
        self._store.change(
            "claims.insert",
            now=now,
            claim_id=claim_id,
            intent=intent,
            task_id=task_id,
            state="granted" if is_granted else "waiting",
            number=number,
            fence=number if is_granted else None,
            granted_at=now if is_granted else None,
            ttl_s=ttl_s,
            expires_at=now + (ttl_s if is_granted else queue_s) * SECOND,
            ignores_case=ignores_case,
            notify=notify,
            **named,
        )
        for each in wanted:
            self._store.change("claims.insert_path", project=project, claim_id=claim_id, glob=each, **_index_of(each))
        claim = self.require(claim_id)
        self._publish("claim.granted" if is_granted else "claim.queued", claim)
        return claim

    @operation("GET /sessions/{session_id}/claims/{claim_id}", waits_for="session_id")
    def granted(self, session_id: str, claim_id: str, wait_s: float = 0) -> list[Claim]:
        """Return a session's claim once it is granted, and nothing while it waits for its turn.

        With `wait_s` the call waits for the grant. Raises ClaimNotFound when the claim has ended, or its time to wait
        is over.
        """
        claim = self.require(claim_id)
        if claim.session_id != session_id:
            raise self._not_found(claim_id)
        return [claim] if claim.state == "granted" else []

    def claim_when_free(
        self, session_id: str, paths: list[str], intent: str = "", *, wait_s: float, **options: Json
    ) -> Claim:
        """Claim paths, waiting for those that are held, first come first served.

        Raises ClaimRefused, naming the holders, if the claim is not granted in time.
        """
        deadline = time.monotonic() + wait_s
        claim: Claim = self.claim(session_id, paths, intent, queue_s=max(int(wait_s + 1), 1), **options)
        while claim.state == "waiting":
            left_s = max(deadline - time.monotonic(), 0)
            granted = self.granted(session_id, claim.claim_id, min(left_s, ONE_WAIT_S))
            if granted:
                return granted[0]
            if not left_s:
                self.release(session_id, claim.claim_id)
                return self.claim(session_id, paths, intent, **options)
        return claim

    @operation("POST /claims/{claim_id}/renew")
    def renew(self, session_id: str, claim_id: str, *, ttl_s: int = CLAIM_TTL_S) -> Claim:
        """Have a granted claim end so many seconds from now; raises ClaimNotFound if it has ended."""
        claim = self._require_own(session_id, claim_id)
        if claim.state != "granted":
            raise InvalidInput(f"the claim {claim_id} waits for its turn", hint="Renew it when it is granted")
        until = self._store.now + ttl_s * SECOND
        self._store.change("claims.renew", claim_id=claim_id, ttl_s=ttl_s, intent=None, task_id=None, expires_at=until)
        return self.require(claim_id)

    @operation("DELETE /claims/{claim_id}")
    def release(self, session_id: str, claim_id: str, *, force: bool = False) -> bool:
        """End a claim; return whether it was there.

        A person may end any session's claim, with `force`. What waited for these paths is granted in the same moment.
        """
        self._store.read_ahead(("claims.get", {"claim_id": claim_id}), ("claims.ignores_case", {"claim_id": claim_id}))
        row = self._store.one("claims.get", claim_id=claim_id)
        if row is None or not self.bus.sees(row[1]):
            return False
        claim = record_of(Claim, row)
        if claim.session_id != session_id and not (force and session_id.startswith(PERSON)):
            raise Refused(
                f"the claim {claim_id} is held by {claim.session_id}, not by {session_id}",
                hint="Ask its holder to release it. A person may end it: force",
                holder=claim.session_id,
            )
        self._end([claim], "claim.released", by=session_id)
        return True

    @operation("GET /sessions/{session_id}/edit-check")
    def check_edit(self, session_id: str, files: list[str], *, ignores_case: bool = False) -> EditCheck:
        """Return the claims that forbid a session to edit files: those that another session holds exclusively.

        A file may be a glob, such as a folder that is removed. `is_claimed` says whether others hold any path of the
        project exclusively; while they do not, no edit needs a check.
        """
        project = self._project_of(session_id, None)
        others = {"session_id": session_id, "project": project, "now": self._store.now}
        if self._store.one("claims.of_others", **others) is None:
            return EditCheck.of((False, []))
        wanted = [checked_path(each) for each in files]
        rivals = self._rivals(project, session_id, wanted, "shared", 0, ignores_case=ignores_case)
        rows = self._store.rows("claims.some", claim_ids=encode(rivals)) if rivals else []
        return EditCheck.of((True, [record_of(Claim, row) for row in rows]))

    @operation("GET /claims", verb="claims", is_of_all=True)
    def list_claims(
        self,
        *,
        project: str | None = None,
        session_id: str | None = None,
        state: str | None = None,
        after_id: str | None = None,
        limit: int = 200,
    ) -> list[Claim]:
        """Return the claims that are granted or wait, in the order in which they were asked for.

        All filters must match. For the next page pass the last id of this page. Without a project, the claims of all
        projects are returned.
        """
        rows = self._store.rows(
            "claims.find",
            now=self._store.now,
            project=project,
            session_id=session_id,
            state=state,
            after_id=after_id,
            limit=limit,
            visible=self.bus.visible,
        )
        return [record_of(Claim, row) for row in rows]

    def find_holders(
        self, globs: list[str], own: set[str], *, project: str, ignores_case: bool = False
    ) -> dict[str, Claim]:
        """Return the globs that overlap an exclusive claim of a session not in `own`, each with the oldest such claim.

        Both may be many thousands: a claim is compared with the globs whose literal beginnings fit.
        """
        by_prefix: dict[str, list[str]] = {}
        for glob in globs:
            by_prefix.setdefault(_prefix(glob), []).append(glob)
        prefixes = sorted(by_prefix)
        held: dict[str, Claim] = {}
        for claim in self._granted_in(project):
            for path in claim.paths if claim.mode == "exclusive" and claim.session_id not in own else ():
                near = [glob for prefix in _prefixes_near(_prefix(path), prefixes) for glob in by_prefix[prefix]]
                held |= {glob: claim for glob in near if glob not in held and _overlap(path, glob, ignores_case)}
        return held

    def _granted_in(self, project: str) -> Iterator[Claim]:
        page: list[Claim] = self.list_claims(project=project, state="granted", limit=PAGE)
        while page:
            yield from page
            after = page[-1].claim_id
            is_last = len(page) < PAGE
            page = [] if is_last else self.list_claims(project=project, state="granted", limit=PAGE, after_id=after)

    @operation("GET /claims/{claim_id}", unknown=None)
    def get(self, claim_id: str) -> Claim:
        """Return one claim that is granted or waits; raises ClaimNotFound."""
        return self.require(claim_id)

    # -- called by the bus and by other services, inside a transaction ------------------------------------------------

    def require(self, claim_id: str) -> Claim:
        """Return a claim that has not ended and that the caller may see; else raise ClaimNotFound."""
        row = self._store.one("claims.get", claim_id=claim_id)
        if row is None or not self.bus.sees(row[1]) or row[-1] <= self._store.now:
            raise self._not_found(claim_id)
        return record_of(Claim, row)

    def on_session_ended(self, session_id: str, project: str) -> None:
        """End the claims of a session that ended, expired, or moved to another project."""
        self._end(
            [record_of(Claim, row) for row in self._store.rows("claims.of_session", session_id=session_id)],
            "claim.released",
            by=session_id,
        )

    def end_all(self, project: str) -> None:
        """End the claims of a project whose records move to another one, where their paths may be claimed already."""
        self.bus.due_edits.add(project)  # its sessions belong to the other project from now on
        self._end(
            [record_of(Claim, row) for row in self._store.rows("claims.of_project", project=project)],
            "claim.released",
            by=None,
        )

    def succeed(self, session_id: str, continues: str) -> int:
        """Give a session the claims of the one that it continues; return how many (S14)."""
        rows = self._store.rows("claims.of_session", session_id=continues)
        for row in rows:
            self._give(row, session_id)
        return len(rows)

    def hand_over(self, task_id: str, old_owner: str, new_owner: str) -> None:
        """Give the claims that a session made for a task to the task's new owner."""
        for row in self._store.rows("claims.of_task", task_id=task_id, session_id=old_owner):
            self._give(row, new_owner)

    def sweep(self) -> None:
        """End the claims whose time is over, each exactly once; called at the start of each write that finds some."""
        self._end(
            [
                record_of(Claim, row)
                for row in self._store.rows("claims.overdue", now=self._store.now, limit=ENDED_AT_ONCE)
            ],
            "claim.expired",
        )

    # -- small parts --------------------------------------------------------------------------------------------------

    def _rivals(
        self, project: str, session_id: str, wanted: list[str], mode: str, number: int, *, ignores_case: bool
    ) -> list[str]:
        """Return the ids of the claims of others that conflict with a claim of these paths."""
        reads = self._rival_reads(project, session_id, wanted, mode, number)
        self._store.read_ahead(*reads)
        return self._overlapping(wanted, reads, ignores_case=ignores_case)

    def _rival_reads(
        self, project: str, session_id: str, wanted: list[str], mode: str, number: int
    ) -> list[tuple[str, dict[str, Any]]]:
        """Return the reads that find the claims of others whose globs may overlap these paths, one for each path."""
        asked = {"now": self._store.now, "project": project, "session_id": session_id, "mode": mode, "number": number}
        reads = []
        for index in map(_index_of, wanted):
            prefix = index["prefix"]
            shorter = encode([prefix[:length] for length in range(len(prefix))])
            reads.append(("claims.rivals", {**asked, **index, "prefix_end": prefix + AFTER_ALL, "shorter": shorter}))
        return reads

    def _overlapping(
        self, wanted: list[str], reads: list[tuple[str, dict[str, Any]]], *, ignores_case: bool
    ) -> list[str]:
        """Return the ids of the claims whose globs overlap these paths, of those that the reads find."""
        rivals: dict[str, None] = {}
        for each, (statement, parameters) in zip(wanted, reads, strict=True):
            for claim_id, glob, other_ignores_case in self._store.rows(statement, **parameters):
                if claim_id not in rivals and _overlap(each, glob, ignores_case or other_ignores_case):
                    rivals[claim_id] = None
        return list(rivals)

    def _end(self, ended: list[Claim], kind: str, **more: Any) -> None:
        """Delete claims, publish their ends, and then grant the waiting claims that nothing else blocks.

        All are deleted first, so that no grant is published before the end of a claim that was in its way.
        """
        blocked: dict[str, Claim] = {}
        for claim in ended:
            blocked |= dict.fromkeys(self._rivals_of(claim, LAST_NUMBER), claim)
            self._store.rows("claims.delete", claim_id=claim.claim_id)
            self._publish(kind, claim, **more)
        for row in self._store.rows("claims.some", claim_ids=encode(list(blocked))) if blocked else []:
            waiting = record_of(Claim, row)
            if waiting.state == "waiting":
                self._grant_if_free(waiting, blocked[waiting.claim_id])

    def _rivals_of(self, claim: Claim, number: int) -> list[str]:
        """Return the ids of the claims of others that conflict with a stored claim at this place in the queue."""
        row = self._store.one("claims.ignores_case", claim_id=claim.claim_id)
        ignores_case = row is not None and bool(row[0])
        return self._rivals(claim.project, claim.session_id, claim.paths, claim.mode, number, ignores_case=ignores_case)

    def _grant_if_free(self, claim: Claim, ended: Claim) -> None:
        """Grant a waiting claim unless another claim still conflicts with it; `ended` is the one it waited for."""
        if self._rivals_of(claim, claim.number):
            return
        fence = self._draw_number(claim.project)
        self._store.change("claims.grant", claim_id=claim.claim_id, fence=fence, now=self._store.now)
        claim = self.require(claim.claim_id)
        self._publish("claim.granted", claim)
        row = self._store.one("claims.notifies", claim_id=claim.claim_id)
        if row is not None and row[0]:
            self.bus.messages.notify_of_claim(ended.session_id, claim)
        self.bus.changed_topics.add(topic(self.noun, claim.session_id))
        self.bus.due_sessions.add(claim.session_id)

    def _give(self, row: Row, session_id: str) -> None:
        self._store.rows("claims.give", claim_id=row[0], session_id=session_id)
        self.bus.due_edits.add(row[1])

    def _draw_number(self, project: str) -> int:
        row = self._store.one("claims.draw_number", project=project)
        assert row is not None  # noqa: S101 (the statement returns the row that it wrote)
        return int(row[0])

    def _publish(self, kind: str, claim: Claim, **more: Any) -> None:
        if kind == "claim.granted":
            self.bus.due_edits.add(claim.project)
        self.bus.events.append(
            kind,
            claim.project,
            claim.session_id,
            claim_id=claim.claim_id,
            paths=claim.paths,
            mode=claim.mode,
            intent=claim.intent,
            fence=claim.fence,
            **more,
        )

    def _refused(
        self, session_id: str, project: str, wanted: list[str], mode: str, intent: str, rivals: list[str]
    ) -> Any:
        """Publish that a claim is refused, and return the error that names the claims in conflict with it."""
        rows = self._store.rows("claims.some", claim_ids=encode(rivals))
        holders = [record_of(Claim, row) for row in rows]
        held_by = sorted({each.session_id for each in holders})
        self.bus.events.append(
            "claim.refused", project, session_id, paths=wanted, mode=mode, intent=intent, held_by=held_by
        )
        names = {each: self.bus.sessions.called(each) for each in held_by}
        first = holders[0]
        about = f" for {quote_value(first.intent)}" if first.intent else ""
        others = len(holders) - 1
        more = f", and {others} more {'is' if others == 1 else 'are'} in the way" if others else ""
        left_s = first.expires_at.timestamp() - self._store.now / SECOND
        does = "holds" if first.state == "granted" else "waits for"
        since = f"{first.granted_at or first.asked_at:%H:%M} UTC"
        return ClaimRefused(
            f"{', '.join(wanted)} cannot be claimed: {names[first.session_id]} {does} {', '.join(first.paths)}{about}"
            f" since {since}, for {-(-left_s // 60):.0f} min more{more}",
            holders=[{"name": names[each.session_id], **each.to_dict()} for each in holders],
        )

    def _project_of(self, session_id: str, project: str | None) -> str:
        if session_id.startswith(PERSON):
            return self.bus.project_for(project)
        row = self._store.one("sessions.owner", session_id=session_id)
        own: str = row[1] if row and self.bus.sees(row[1]) else self.bus.sessions.require(session_id).project
        if project not in (None, own):
            raise SessionElsewhere(f"the session {session_id!r} lives in {own}, not in {project}", project=own)
        return own

    def _require_own(self, session_id: str, claim_id: str) -> Claim:
        claim = self.require(claim_id)
        if claim.session_id != session_id:
            raise Refused(f"the claim {claim_id} is held by {claim.session_id}, not by {session_id}")
        return claim

    def _require_room(self, session_id: str) -> None:
        row = self._store.one("claims.count", session_id=session_id)
        if row is not None and row[0] >= MAX_CLAIMS:
            raise InvalidInput(
                f"{session_id} has {MAX_CLAIMS} claims, which is the most",
                hint="Release some, or claim a glob that covers several paths",
            )

    def _not_found(self, claim_id: str) -> ClaimNotFound:
        rows = self._store.rows(
            "claims.find",
            now=self._store.now,
            project=None,
            session_id=None,
            state=None,
            after_id=None,
            limit=200,
            visible=self.bus.visible,
        )
        near = near_matches(claim_id, [row[0] for row in rows])
        return ClaimNotFound(
            f"no claim has the id {claim_id!r}; it never was, or it has ended", hint=did_you_mean(near)
        )


def checked_path(path: str) -> str:
    """Return a path's glob, or a resource's name, in the form in which it is kept."""
    if path.startswith(RESOURCE):
        name = path.removeprefix(RESOURCE).strip()
        if not name:
            raise InvalidInput(f"{quote_value(path)} names no resource", hint="Name one: resource:staging")
        return RESOURCE + name
    try:
        return normalize(path)
    except ValueError as error:
        raise InvalidInput(
            f"{quote_value(path)} cannot be claimed: {error}", hint="Name a path or glob in the repository: src/api/**"
        ) from None


def _prefix(path: str) -> str:
    return path.lower() if path.startswith(RESOURCE) else glob_of(path).prefix


def _index_of(path: str) -> dict[str, Any]:
    """Return the columns by which the database excludes most paths that cannot overlap."""
    if path.startswith(RESOURCE):
        return {"prefix": path.lower(), "ending": "", "min_depth": 0, "max_depth": MAX_DEPTH}
    glob = glob_of(path)
    min_depth, max_depth = glob.depths
    return {"prefix": glob.prefix, "ending": glob.suffix[::-1], "min_depth": min_depth, "max_depth": max_depth}


def _prefixes_near(prefix: str, prefixes: list[str]) -> Iterator[str]:
    """Yield those of some sorted texts that begin with a prefix, and those that the prefix begins with."""
    from bisect import bisect_left  # which no hook needs

    at = bisect_left(prefixes, prefix)
    while at < len(prefixes) and prefixes[at].startswith(prefix):
        yield prefixes[at]
        at += 1
    for length in range(len(prefix)):
        at = bisect_left(prefixes, prefix[:length])
        if at < len(prefixes) and prefixes[at] == prefix[:length]:
            yield prefixes[at]


def _overlap(one: str, two: str, ignores_case: bool) -> bool:
    if one.startswith(RESOURCE) or two.startswith(RESOURCE):
        return one == two
    return glob_of(one).overlaps(glob_of(two), ignore_case=ignores_case)
