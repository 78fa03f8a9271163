"""Tasks: offered, accepted by exactly one session, handed off, completed.

Every change of a task is a message: `task_offer` creates the task, `task_accept` accepts it, `handoff` hands it over.
Sending such a message and calling the operation here have the same effect. A task's id is the id of its first message,
so a session that has the message can act on the task.
"""

from __future__ import annotations

from hallway.core.errors import AlreadyTaken, DuplicateMessage, InvalidInput, Refused, TaskNotFound
from hallway.core.model import Json, Message, Task, TaskStats
from hallway.core.near_names import did_you_mean, near_matches
from hallway.core.operation import operation
from hallway.core.parameters import MAX_BODY
from hallway.core.schema import encode
from hallway.services.base import Service
from hallway.services.rows import record_of


class TaskBoard(Service, noun="tasks"):
    """Tasks: offer, accept, hand off, complete.

    `allow_secret` is for `Operation.prepare`, which has checked the texts before a message is sent here.
    """

    @operation("POST /tasks", verb="task offer", words=("from_session", "to_session", "subject", "body"))
    def offer(
        self,
        from_session: str,
        to_session: str,
        subject: str = "",
        body: str = "",
        data: dict[str, Json] | None = None,
        *,
        idempotency_key: str | None = None,
        project: str | None = None,
        allow_secret: bool = False,
    ) -> Task:
        """Offer a piece of work to a session, a person, a capability, or everybody in the project (*).

        The offer is a message of type task_offer; the task has its id. The project is the sender's; a person may name
        one.
        """
        sent = self.bus.messages.send(
            from_session,
            to_session,
            "task_offer",
            subject,
            body,
            data,
            idempotency_key=idempotency_key,
            project=project,
            allow_secret=True,
        )
        return self.require(sent.message_id)

    @operation("POST /tasks/{task_id}/accept", verb="task accept")
    def accept(self, session_id: str, task_id: str) -> Task:
        """Accept a task that is offered or handed to you; if several sessions try, exactly one gets it.

        The session that offered it and the previous owner are notified. Accepting one's own task changes nothing.
        Raises AlreadyTaken, naming the owner, if another session was first, and Refused if the task is offered to
        another session.
        """
        self._store.read_ahead(
            ("sessions.get", {"now": self._store.now, "session_id": session_id}), ("tasks.get", {"task_id": task_id})
        )
        self.bus.messages.require_party(session_id)
        return self._accept(self.require(task_id), session_id)

    @operation(
        "POST /tasks/{task_id}/handoff", verb="task handoff", words=("session_id", "task_id", "to_session", "body")
    )
    def handoff(
        self,
        session_id: str,
        task_id: str,
        to_session: str,
        body: str = "",
        data: dict[str, Json] | None = None,
        *,
        allow_secret: bool = False,
    ) -> Task:
        """Hand a task you own to another session, with a note; you stay the owner until that session accepts.

        Handing it to another session, or accepting it again, cancels the earlier handoff; repeating it has no effect.
        """
        task = self.require(task_id)
        try:
            self.bus.messages.send(
                session_id,
                to_session,
                "handoff",
                task.subject,
                body,
                {**(data or {}), "task_id": task_id},
                task_id if self.bus.messages.has(task_id) else None,
                allow_secret=True,
            )
        except DuplicateMessage:  # the caller repeats the call because it missed the answer
            if task.owner != session_id or task.offered_to != to_session:
                raise
        return self.require(task_id)

    @operation("POST /tasks/{task_id}/complete", verb="task complete", words=("session_id", "task_id", "result"))
    def complete(self, session_id: str, task_id: str, result: str = "", *, allow_secret: bool = False) -> Task:
        """Complete a task you own, with its result; the session that offered it is notified.

        Completing it twice changes nothing.
        """
        before = self.require(task_id)
        if before.status == "completed" and before.owner == session_id:
            return before
        row = self._store.one(
            "tasks.complete", task_id=task_id, session_id=session_id, result=result, now=self._store.now
        )
        if row is None:
            raise self._not_yours(before)
        task = self._changed("task.completed", task_id, session_id)
        self.bus.messages.notify_task_change(task, session_id, task.offered_by, "notification", result or "completed")
        return task

    @operation("POST /tasks/{task_id}/cancel", verb="task cancel", words=("session_id", "task_id", "reason"))
    def cancel(self, session_id: str, task_id: str, reason: str = "") -> Task:
        """Cancel a task that you offered or own, or as a person; the other parties are notified.

        Cancelling it twice changes nothing.
        """
        self.bus.messages.require_party(session_id)
        before = self.require(task_id)
        if before.status == "cancelled":
            return before
        row = self._store.one(
            "tasks.cancel", task_id=task_id, session_id=session_id, reason=reason, now=self._store.now
        )
        if row is None:
            raise self._not_yours(before)
        task = self._changed("task.cancelled", task_id, session_id)
        recipients = {before.offered_by, before.owner, before.offered_to} - {None, session_id}
        for party in sorted(recipients, key=str):
            self.bus.messages.notify_task_change(task, session_id, str(party), "notification", reason or "cancelled")
        return task

    @operation("GET /tasks/{task_id}", verb="task show")
    def get(self, task_id: str) -> Task:
        """Return one task; raises TaskNotFound."""
        return self.require(task_id)

    @operation("GET /tasks", verb="task list", is_of_all=True)
    def list_tasks(
        self,
        *,
        project: str | None = None,
        status: str | None = None,
        owner: str | None = None,
        include_done: bool = False,
        after_id: str | None = None,
        limit: int = 50,
    ) -> list[Task]:
        """Return offered and accepted tasks, newest first; all filters must match.

        Finished tasks are included with `include_done` or their `status`. For the next page pass the last id of this
        page; raises TaskNotFound if that task was removed. Without a project, tasks of all projects are returned.
        """
        rows = self._store.rows(
            "tasks.find",
            project=project,
            status=status,
            owner=owner,
            after_id=after_id,
            limit=limit,
            include_done=include_done or status is not None,
            visible=self.bus.visible,
            person=self.bus.person,
        )
        if after_id is not None and not rows:
            self._require_anchor(after_id)
        return [record_of(Task, row) for row in rows]

    def _require_anchor(self, after_id: str) -> None:
        """Raise TaskNotFound if the previous page's last task was removed: the next page is then unknown."""
        try:
            self.require(after_id)
        except TaskNotFound:
            raise TaskNotFound(
                f"no task has the id {after_id!r} any more, so the page after it is not known",
                hint="Begin with the first page again, or go on after an earlier task of the page before",
            ) from None

    def get_stats(self, project: str | None = None) -> TaskStats:
        """Return the number of tasks by status."""
        return self.bus.stats(project).tasks

    # -- called by the bus and by other services, inside a transaction ------------------------------------------------

    def stats(self, project: str | None = None) -> TaskStats:
        by_status = {
            row[0]: row[1] for row in self._store.rows("tasks.counts", project=project, visible=self.bus.visible)
        }
        return TaskStats.of((sum(by_status.values()), by_status))

    def apply_message(self, message: Message) -> None:
        """Apply a message about a task to the task; an error also rolls back the message."""
        if message.type == "task_accept":
            if message.task_id is None:
                raise InvalidInput(
                    "this task_accept answers no offer", hint="Pass in_reply_to, the id of the task_offer"
                )
            self._accept(self.require(message.task_id), message.from_session, message.to_session)
        elif message.type == "handoff" and message.task_id != message.message_id:
            self._hand_off(message)
        else:
            self._insert(message)

    def require(self, task_id: str) -> Task:
        """Return a task that the caller may see; else raise TaskNotFound, suggesting similar ids."""
        task = self._find(task_id)
        if task is None or not self.bus.messages.is_visible(task.project, task.offered_by, task.offered_to, task.owner):
            rows = self._store.rows("tasks.ids", visible=self.bus.visible)
            near = near_matches(task_id, [each for (each,) in rows])
            hint = did_you_mean(near)
            raise TaskNotFound(f"no task has the id {task_id!r}", hint=hint, near=near)
        return task

    def _find(self, task_id: str) -> Task | None:
        row = self._store.one("tasks.get", task_id=task_id)
        return record_of(Task, row) if row else None

    def on_session_ended(self, session_id: str, project: str) -> None:
        """Offer the tasks of an expired or ended session again: those it had accepted or was offered (T3)."""
        for statement, role in (
            ("tasks.reoffer", "who had accepted it"),
            ("tasks.reoffer_unaccepted", "whom it was offered to"),
        ):
            for (task_id,) in self._store.rows(statement, session_id=session_id, now=self._store.now):
                self._reoffered(self._changed("task.reoffered", task_id, session_id), f"{session_id}, {role}, is gone.")
        for (task_id,) in self._store.rows("tasks.return_handoffs", session_id=session_id, now=self._store.now):
            task = self._changed("task.handoff_returned", task_id, session_id)
            reason = f"{session_id}, whom you handed it to, is gone and had not accepted it: it stays yours"
            self.bus.messages.notify_task_change(task, session_id, str(task.owner), "notification", reason)

    def succeed(self, session_id: str, continues: str) -> int:
        """Give a session the tasks that its predecessor had accepted or was offered; returns how many (S14)."""
        moved = 0
        for statement in ("tasks.move_owned", "tasks.move_offered"):
            parties = {"session_id": session_id, "continues": continues}
            for (task_id,) in self._store.rows(statement, now=self._store.now, **parties):
                self._changed("task.continued", task_id, session_id)
                moved += 1
        return moved

    def on_session_resumed(self, session_id: str) -> None:
        """Give a session that is back the tasks that nobody has taken meanwhile, and tell it so (S13)."""
        for (task_id,) in self._store.rows("tasks.give_back", session_id=session_id, now=self._store.now):
            task = self._changed("task.returned", task_id, session_id)
            reason = "You were silent, and this task was offered again. Nobody took it: it is yours as before."
            self.bus.messages.notify_task_change(task, task.offered_by, session_id, "notification", reason)

    def _reoffered(self, task: Task, reason: str) -> None:
        text = f"Offered again: {reason}\n\n{task.body}"[:MAX_BODY]
        self.bus.messages.notify_task_change(task, task.offered_by, str(task.offered_to), "task_offer", text)

    def prune_old(self, before: int, limit: int) -> int:
        return len(self._store.rows("tasks.prune", before=before, limit=limit))

    def _insert(self, message: Message) -> None:
        """Insert a task; a handoff without a task creates one that its sender owns."""
        is_owned = message.type == "handoff"
        self._store.change(
            "tasks.insert",
            task_id=message.message_id,
            project=message.project,
            subject=message.subject,
            body=message.body,
            data=encode(message.data),
            status="accepted" if is_owned else "offered",
            offered_by=message.from_session,
            offered_to=message.to_session,
            owner=message.from_session if is_owned else None,
            now=self._store.now,
        )
        self._changed("task.handed_off" if is_owned else "task.offered", message.message_id, message.from_session)

    def _accept(self, task: Task, session_id: str, offerer: str | None = None) -> Task:
        """Give an open task to a session, and notify the parties that have no message about it yet."""
        row = self._store.one("tasks.accept", task_id=task.task_id, session_id=session_id, now=self._store.now)
        if row is not None:
            changed = self._changed("task.accepted", task.task_id, session_id)
            if task.owner is not None:
                self.bus.claims.hand_over(task.task_id, task.owner, session_id)
            for party in sorted({task.offered_by, task.owner or task.offered_by} - {offerer, session_id}):
                self.bus.messages.notify_task_change(changed, session_id, party, "task_accept", "accepted")
            return changed
        if task.owner == session_id and task.status == "accepted":
            return self._take_back(task, session_id) if task.offered_to else task
        if task.owner is not None or task.status == "cancelled":
            raise self._not_yours(task)
        raise Refused(
            f"the task {task.subject!r} is offered to {task.offered_to}, not to {session_id}",
            hint="Ask who offered it, or take another one that is offered",
            offered_to=task.offered_to,
        )

    def _take_back(self, task: Task, owner: str) -> Task:
        """End the handoff of a task that its owner keeps, and notify whom it was handed to."""
        if self._store.one("tasks.take_back", task_id=task.task_id, session_id=owner, now=self._store.now) is None:
            return task
        changed = self._changed("task.accepted", task.task_id, owner)
        self.bus.messages.notify_task_change(changed, owner, str(task.offered_to), "task_accept", "kept by its owner")
        return changed

    def _hand_off(self, message: Message) -> None:
        task = self.require(str(message.task_id))
        row = self._store.one(
            "tasks.hand_off",
            task_id=task.task_id,
            session_id=message.from_session,
            to_session=message.to_session,
            now=self._store.now,
        )
        if row is None:
            raise self._not_yours(task)
        self._changed("task.handed_off", task.task_id, message.from_session)

    def _changed(self, kind: str, task_id: str, session_id: str) -> Task:
        """Publish an event about a task's change and return the task, even if the caller may not see it."""
        task = self._find(task_id)
        assert task is not None  # noqa: S101 (the transaction has just changed it)
        self.bus.events.append(
            kind,
            task.project,
            session_id,
            task_id=task_id,
            subject=task.subject,
            owner=task.owner,
            offered_to=task.offered_to,
        )
        return task

    def _not_yours(self, task: Task) -> AlreadyTaken:
        """Return the error for a change of a task that has another owner or is finished."""
        if task.owner is None or task.status in ("completed", "cancelled"):
            by = f" by {task.owner}" if task.owner and task.status != "cancelled" else ""
            problem = f"the task {task.subject!r} is {task.status}{by}"
        else:
            problem = f"the task {task.subject!r} was accepted by {self._called(task.owner)}"
        return AlreadyTaken(problem, owner=task.owner, status=task.status)

    def _called(self, owner: str) -> str:
        row = self._store.one("sessions.get", now=self._store.now, session_id=owner)
        return f"{row[1]} ({owner})" if row else owner
