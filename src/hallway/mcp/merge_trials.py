"""Tries the merges that the sessions of an MCP server are in conflict over, in a thread beside its loop (C3)."""

from __future__ import annotations

from _thread import start_new_thread

from hallway.local.wake_pipe import WakePipe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.bus.base import Bus
    from hallway.core.model import Conflict
    from hallway.local.merge_trial import Trial

MAX_AT_ONCE = 5


class MergeTrials:
    """Runs one round of trials at a time. The loop reports the results, because it alone uses the bus."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._pipe = WakePipe()
        self._is_running = False
        self._done: list[tuple[str, Conflict, Trial | None]] = []

    def fileno(self) -> int:
        """Return the descriptor that is readable once a round is over."""
        return self._pipe.fileno()

    def begin(self, session_ids: list[str]) -> None:
        """Begin a round for the conflicts that were written since they were tried; raises the bus's errors."""
        if self._is_running:
            return
        conflicts = {
            each.conflict_id: (session_id, each)
            for session_id in session_ids
            for each in self._bus.conflicts.find(session_id=session_id)
        }
        if not conflicts:
            return
        from hallway.local.merge_trial import can_try

        due = [(session_id, each) for session_id, each in conflicts.values() if can_try(each)]
        if due:
            self._is_running = True
            start_new_thread(self._run, (due[:MAX_AT_ONCE],))

    def _run(self, due: list[tuple[str, Conflict]]) -> None:
        from hallway.local.merge_trial import try_merge

        try:
            for session_id, conflict in due:
                self._done.append((session_id, conflict, try_merge(conflict)))
        finally:
            self._is_running = False
            self._pipe.wake()

    def report(self) -> None:
        """Report what the last round gave; raises the bus's errors."""
        self._pipe.drain()
        while self._done:
            session_id, conflict, trial = self._done.pop(0)
            self._bus.conflicts.report_merge(
                session_id,
                conflict.conflict_id,
                merge=trial.merge if trial else None,
                merge_lines=trial.lines if trial else None,
                merge_files=trial.files[:10] if trial else None,
                is_committed=trial is not None and trial.is_committed,
            )

    def close(self) -> None:
        """Close the pipe; a thread that still runs ends with the process."""
        self._pipe.close()
