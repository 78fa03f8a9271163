"""Handles hook events: runs the operations that an event needs, and composes the answer that the agent is shown.

It decides nothing about the bus: it runs operations that any caller may run. The answer is shown to an agent, so there
is none when nothing is new (A2), and a message is marked as injected only once the client has received it (M3).
"""

from __future__ import annotations

import os

from hallway.agents.hook.detail import detail_line, one_line
from hallway.agents.hook.digest import Digest, message_lines
from hallway.agents.hook.event import (
    ANSWERED,
    ASKED,
    AT_WORK,
    EDIT,
    END,
    IDLE,
    NEWS,
    NOT_TYPED,
    PROMPT,
    START,
    STOP,
    SUCCESSIONS,
    TOOL,
)
from hallway.agents.wake.waker import ids_in, wake_up
from hallway.core.clock import parse_time
from hallway.core.errors import SessionNotFound
from hallway.core.topics import topic
from hallway.local.hook_gate import mark_due
from hallway.local.notify import notify
from hallway.local.setup_marks import HOOK, MESSAGE, leave_mark
from hallway.text.framing import DIGEST_NOTE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.agents.hook.event import ClientAdapter, HookEvent, Payload
    from hallway.agents.hook.state import HookState, RelayedState, SpooledState
    from hallway.bus.base import Bus
    from hallway.core.model import Message

TERMINAL = "terminal"  # where it is, in the session's metadata
MAX_FILES = 100  # of one tool's call
MAX_PATH = 4096
HELD = (
    "Before you stop: this was asked urgently and has no answer yet. Answer with hallway's reply tool and the id, even"
    " if only to say when or that you will not; then you may stop."
)


class HookHandler:
    """A handler for one hook event: call `handle`, then `mark_delivered` once the client has received the answer."""

    def __init__(self, bus: Bus, adapter: ClientAdapter, state: HookState | RelayedState | SpooledState) -> None:
        self._bus = bus
        self._adapter = adapter
        self._state = state
        self._delivered_ids: list[str] = []
        self._session_id = self._project = ""
        self._others_total = 0
        self._client_name: str | None = None

    def handle(self, event: HookEvent) -> Payload | None:
        """Record on the bus what happened; return the answer for the client, None for none."""
        self._session_id, self._client_name = event.session_id, one_line(event.name)
        if event.kind == EDIT:
            return self._check_edit(event)
        if event.kind == END:
            self._end_session(event)
            return None
        if event.kind == START or not self._state.is_registered:
            self._ensure_registered(event)
        if event.continues:
            self._continue_session(event)
        if event.is_subagent and event.kind != ASKED:
            return self._handle_subagent(event)
        if event.kind in (TOOL, STOP) and not self._adapter.reports_wake_ups:
            self._bus.wakes.confirm(self._session_id)
        if event.kind == STOP:
            return self._end_turn(event)
        if event.kind == NEWS:
            return self._start_turn(event)
        if event.kind == ASKED:
            self._record_waiting(event)
            return None
        if event.kind == ANSWERED:
            self._send_heartbeat("working" if self._is_waiting() else None)
            return None
        if event.kind == IDLE:
            self._record_unreported_end(event)
            return None
        if event.kind != START:
            self._send_heartbeat("working", _task(event.prompt) if event.kind == PROMPT else None)
        if event.kind == PROMPT:
            self._confirm_delivery(event)
        self._record_files(event)
        return self._digest(event)

    def _check_edit(self, event: HookEvent) -> Payload | None:
        """Return the answer for a tool that is about to write what another session holds."""
        from hallway.agents.hook.edit_check import check_edit

        try:
            project = self._bus.sessions.get(self._session_id).project
        except SessionNotFound:  # its start is in the spool, or was before the hooks were installed
            self._ensure_registered(event)
            project = self._project
        return check_edit(self._bus, self._adapter, event, project)

    def _record_waiting(self, event: HookEvent) -> None:
        """Record what the session waits for; a reminder of a dialog that is on the bus already changes nothing."""
        if event.is_repeat and self._is_waiting():
            self._send_heartbeat(None)
        else:
            self._send_heartbeat("waiting", reason=event.reason or None, detail=detail_line(event.reason, event.detail))

    def _record_unreported_end(self, event: HookEvent) -> None:
        """Record that a turn is over whose end no hook reported: the person has stopped it.

        A turn that a wake-up began after the client said that it idles is not over.
        """
        session = self._bus.sessions.get(self._session_id)
        is_older = bool(event.timestamp) and session.status_since > parse_time(event.timestamp)
        if session.status in AT_WORK and not is_older:
            self._send_heartbeat("idle", reason="interrupted")
            self._rearm_wake_up()

    def _is_waiting(self) -> bool:
        return self._bus.sessions.get(self._session_id).status == "waiting"

    def _handle_subagent(self, event: HookEvent) -> Payload | None:
        """Record what a subagent did: it is a sign of life and may write files, but its task is not the session's."""
        self._send_heartbeat(None)
        self._record_files(event)
        return self._digest(event)

    def mark_delivered(self) -> None:
        """Mark the answer's messages as injected: the client has received the answer."""
        if self._delivered_ids:
            self._mark_injected(self._delivered_ids)

    def _ensure_registered(self, event: HookEvent) -> None:
        """Register the session if needed, under the name it already has."""
        bus, client = self._bus, self._adapter
        status = "active" if event.kind == START and event.is_new else None
        self._project = bus.here.project or ""
        self._state.is_fresh = event.is_new
        try:
            session = bus.sessions.get(event.session_id)
        except SessionNotFound:
            name = f"{client.title} in {os.path.basename(event.directory) or '/'}"
            metadata = {TERMINAL: event.terminal} if event.terminal else None
            bus.sessions.register(
                event.session_id,
                name,
                client.client,
                status=status,
                metadata=metadata,
                client_name=self._client_name,
            )
        else:
            if session.is_live and session.status == "working":
                status = None  # the prompt's hook, which some clients start beside this one, was quicker
                self._state.is_fresh = event.kind != START
            is_start = event.kind == START  # a start in another folder moves the session; a later event does not
            is_here = is_start or not session.is_live or session.project == bus.here.project
            project, branch = (bus.here.project, bus.here.branch) if is_here else (None, None)
            heartbeat = bus.sessions.heartbeat(
                event.session_id,
                project=project,
                branch=branch,
                status=status,
                move=is_start,
                client_name=self._client_name,
                limit=1,
            )
            self._project = heartbeat.project
            if event.terminal not in ({}, session.metadata.get(TERMINAL)):
                metadata = {**session.metadata, TERMINAL: event.terminal}
                bus.sessions.register(
                    event.session_id, session.agent_name, session.agent_type, metadata=metadata, project=self._project
                )
        self._state.is_registered = True
        self._client_name = None  # it has been told
        leave_mark(client.client, HOOK)

    def _continue_session(self, event: HookEvent) -> None:
        """Record that the session continues the one that its process was in before (S14)."""
        try:
            self._bus.sessions.succeed(event.session_id, event.continues)
        except SessionNotFound:
            pass  # it ended before it began anything

    def _send_heartbeat(
        self,
        status: str | None,
        current_task: str | None = None,
        *,
        reason: str | None = None,
        detail: str | None = None,
    ) -> None:
        heartbeat = self._bus.sessions.heartbeat(
            self._session_id,
            status=status,
            reason=reason,
            detail=detail,
            current_task=current_task,
            client_name=self._client_name,
            limit=1,
        )
        self._project, self._client_name = heartbeat.project, None
        self._others_total = heartbeat.others_total

    def _record_files(self, event: HookEvent) -> None:
        if paths := _paths(event):
            from hallway.agents.hook.written_files import record_files

            record_files(self._bus, event.session_id, self._project, paths, is_alone=not self._others_total)

    def _digest(self, event: HookEvent) -> Payload | None:
        if event.is_subagent or event.kind not in self._adapter.shows:
            # The digest is for the session's agent, not for a subagent, and waits until the client accepts context.
            mark_due(self._bus.folder, [event.session_id])
            return None
        is_early = event.kind == START  # no request to the model follows until the first prompt
        if is_early and event.is_new and PROMPT in self._adapter.shows:
            return None
        digest = Digest(
            self._bus,
            event.session_id,
            self._state.last_seq,
            project=self._project,
            is_start=is_early or self._state.is_fresh,
            has_messages=not is_early or event.is_new,
            except_ids=self._state.pending,
        )
        self._state.last_seq = digest.last_seq
        self._state.is_fresh = False
        if is_early:
            self._state.pending += digest.message_ids
        else:
            self._delivered_ids += digest.message_ids
        if digest.has_more:
            mark_due(self._bus.folder, [event.session_id])
        return self._adapter.inject_context(event, digest.words) if digest.words else None

    def _end_turn(self, event: HookEvent) -> Payload | None:
        """Record the end of a turn. If an urgent request is unanswered, block it, but never twice in a row."""
        asked = [] if event.is_repeat or event.is_subagent else self._unanswered()
        if not asked or not self._bus.wakes.continue_turn(self._session_id, [each.message_id for each in asked]):
            self._send_heartbeat("idle", reason=event.reason or "done", detail=detail_line(event.reason, event.detail))
            self._rearm_wake_up()
            return None
        self._state.held += [each.message_id for each in asked]
        self._delivered_ids = [each.message_id for each in asked]
        self._send_heartbeat("working")
        lines = message_lines(self._bus, asked)
        return self._adapter.block_stop(event, "\n".join((HELD, DIGEST_NOTE, *(line for line, _ in lines))))

    def _start_turn(self, event: HookEvent) -> Payload | None:
        """Return the text that starts a turn in an idle session, if a message is worth a turn."""
        words, _, retry_after_s = wake_up(self._bus, event.session_id)
        if words:
            return self._adapter.block_stop(event, words)
        return {"retry_after_s": int(retry_after_s) + 1} if retry_after_s else None

    def _confirm_delivery(self, event: HookEvent) -> None:
        """Mark as injected what this prompt brings to the model: a wake-up's messages, and those shown at the start."""
        if event.is_typed:
            self._bus.wakes.refill(self._session_id)
        if delivered := [*ids_in(event.prompt), *self._state.pending]:
            self._mark_injected(delivered)
            self._state.pending = []

    def _mark_injected(self, message_ids: list[str]) -> None:
        self._bus.messages.mark_injected(self._session_id, message_ids)
        leave_mark(self._adapter.client, MESSAGE)

    def _rearm_wake_up(self) -> None:
        """Notify the session's server again about messages that arrived after the turn's last tool call."""
        if self._bus.messages.inbox(self._session_id, limit=1, new_only=True):
            notify(os.path.join(self._bus.folder, "wake"), {topic("messages", self._session_id)})
            mark_due(self._bus.folder, [self._session_id])

    def _unanswered(self) -> list[Message]:
        """Return the urgent requests that have neither been answered nor blocked a stop before."""
        waiting = self._bus.messages.inbox(self._session_id, types=["request"])
        urgent = [each for each in waiting if each.priority == "urgent" and each.message_id not in self._state.held]
        return [each for each in urgent[:3] if not self._has_answered(each)]

    def _has_answered(self, message: Message) -> bool:
        thread = self._bus.messages.get_conversation(message.message_id, after=message.seq)
        return any(
            each.in_reply_to == message.message_id and each.from_session == self._session_id for each in thread.messages
        )

    def _end_session(self, event: HookEvent) -> None:
        if event.reason in SUCCESSIONS:
            return  # the start that follows says which session goes on; else the end of the process ends it
        try:
            self._bus.sessions.end(event.session_id, event.reason or "ended")
        except SessionNotFound:
            pass  # it ended before it began anything


def _paths(event: HookEvent) -> list[str]:
    """Return the real paths of written files, without those that the bus could not store."""
    real = [os.path.realpath(os.path.join(event.directory, path)) for path in event.files[:MAX_FILES]]
    return [path for path in real if path.isprintable() and len(path) <= MAX_PATH]


def _task(prompt: str) -> str | None:
    """Return the first line of a prompt as the current task; None for prompts that a program wrote."""
    return None if prompt.lstrip().startswith(NOT_TYPED) else one_line(prompt)
