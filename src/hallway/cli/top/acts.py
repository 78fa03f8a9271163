"""What a person can do in `hallway top`: each act is an operation of the bus, its key, and what it asks the person.

The bus decides whether an act is allowed; an act that it refuses shows the bus's error, and the typed text stays.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from hallway.cli.render import renderer_of
from hallway.core.errors import HallwayError, SecretFound, VersionConflict
from hallway.core.model import AttentionItem, MemoryEntry, Session, is_session
from hallway.core.schema import encode
from hallway.services.attention import AttentionList
from hallway.services.claims import ClaimRegistry
from hallway.services.memory import SharedMemory
from hallway.services.messages import CollaborationHub
from hallway.services.sessions import SessionRegistry
from hallway.services.tasks import TaskBoard

if TYPE_CHECKING:
    from collections.abc import Callable

    from hallway.bus.base import Bus
    from hallway.cli.terminal import Terminal
    from hallway.cli.top.details import Detail
    from hallway.core.operation import Operation

ANSWER, DISMISS, RESTORE, NUDGE = (AttentionList.operations[name] for name in ("answer", "dismiss", "restore", "nudge"))
SEND, BROADCAST = (CollaborationHub.operations[name] for name in ("send", "broadcast"))
OFFER, ACCEPT, HANDOFF, COMPLETE, CANCEL = (
    TaskBoard.operations[name] for name in ("offer", "accept", "handoff", "complete", "cancel")
)
SET, DELETE = (SharedMemory.operations[name] for name in ("set", "delete"))
RENAME = SessionRegistry.operations["rename"]
RELEASE = ClaimRegistry.operations["release"]
KEY = "idempotency_key"


class Situation:
    """What an act is about: the caller's address, the project in use, and the selected record with its details."""

    def __init__(self, person: str, project: str | None, record: Any, detail: Detail | None) -> None:
        self.person = person
        self.project = getattr(record, "project", None) or project
        self.record = record
        self.detail = detail

    @property
    def entry(self) -> MemoryEntry | None:
        """Return the selected memory entry with its value, once that was read."""
        found = self.detail.records if self.detail and self.detail.about == self.record else []
        return next((each for each in found if isinstance(each, MemoryEntry)), None)

    def address(self) -> tuple[str, str]:
        """Return the name and the address of the session that the selected record is about; both empty if none is."""
        session_id = getattr(self.record, "session_id", None) or ""
        name = getattr(self.record, "name", None) or session_id
        return (name, session_id) if session_id and is_session(session_id) else ("", "")


class Field:
    """A text that is asked for. If it still is `initial` in the end, `stands_for` is the argument."""

    def __init__(self, name: str, label: str, initial: str = "", *, stands_for: Any = None, is_text: bool = False):
        self.name = name
        self.label = label
        self.initial = initial
        self.stands_for = stands_for
        self.is_text = is_text  # taken as it is, where the operation would also read JSON


class Question:
    """What an act asks before it runs: texts, or with `is_confirmed` only whether it is meant."""

    def __init__(
        self,
        operation: Operation,
        title: str,
        subject: str = "",
        fields: tuple[Field, ...] = (),
        *,
        is_confirmed: bool = False,
        done: str = "",
        **fixed: Any,
    ) -> None:
        self.operation = operation
        self.title = title
        self.draft_key = (operation.name, subject)
        self.fields = fields
        self.done = done  # what to tell the person, for a result that says nothing
        self.is_asked = bool(fields) or is_confirmed
        self.fixed = fixed
        if KEY in operation.parameters:
            fixed[KEY] = str(uuid.uuid4())  # Enter after a lost answer repeats the call, and does nothing twice

    def arguments(self, texts: dict[str, str]) -> dict[str, Any]:
        """Return the checked arguments; raises InvalidInput."""
        labels = {each.name: each.label for each in self.fields}
        named = dict(self.fixed)
        for field in self.fields:
            text = texts[field.name]
            if field.stands_for is not None and text == field.initial:
                named[field.name] = field.stands_for
            elif field.is_text:
                named[field.name] = text
            elif text or (field.name in ("body", "value") and self.operation.parameters[field.name].is_required):
                named[field.name] = self.operation.parameters[field.name].kind.parse(field.label, text)
        return self.operation.arguments((), named, title=self.title, label=lambda name: labels.get(name, name))

    def perform(self, bus: Bus, texts: dict[str, str], screen: Terminal) -> list[str]:
        """Run the operation and return what to tell the person."""
        arguments = self.arguments(texts)
        result = bus.execute(self.operation, bus.service_of(self.operation.noun), {**arguments})
        if self.done:
            return [self.done]
        screen.names = bus.sessions.names_in(result)
        return [*renderer_of(self.operation)(screen, result, {**arguments, **self._typed(texts)})]

    def _typed(self, texts: dict[str, str]) -> dict[str, str]:
        """Return the addresses as they were shown, for the sentence about the result."""
        return {name: text for name, text in texts.items() if name == "to_session" and text}

    def take_note(self, error: HallwayError) -> str:
        """Prepare for a second attempt after an error; return what that would do, or the error's hint."""
        if isinstance(error, VersionConflict):
            current = error.details["current"]
            self.fixed["expected_version"] = current["version"]
            value = current["value"]
            return f"It now says: {value if isinstance(value, str) else encode(value)}  (enter: replace that)"
        if isinstance(error, SecretFound):
            self.fixed["allow_secret"] = True
            return "If it is no secret, or everyone may read it: enter again"
        return error.hint


class Act:
    """Something that a person can do with a key in some views; `can` says with which records."""

    def __init__(
        self,
        key: str,
        label: str,
        views: str,
        ask: Callable[[Situation], Question],
        can: Callable[[Situation], object] = lambda situation: situation.record is not None,
    ) -> None:
        self.key = key
        self.label = label
        self.views = views.split()
        self.ask = ask
        self.can = can


def always(situation: Situation) -> bool:
    return True


def _allows(action: str) -> Callable[[Situation], object]:
    return lambda at: isinstance(at.record, AttentionItem) and action in at.record.actions


def _has_status(*statuses: str) -> Callable[[Situation], object]:
    return lambda at: at.record is not None and at.record.status in statuses


def _answer(at: Situation) -> Question:
    item = at.record
    title = f"Answer {item.name}: {item.what}" if item.what else f"Answer {item.name}"
    return Question(ANSWER, title, item.item_id, (Field("body", "Answer"),), item_id=item.item_id)


def _nudge(at: Situation) -> Question:
    item = at.record
    field = Field("body", "Text (may be empty)")
    return Question(NUDGE, f"Remind {item.name}: {item.what}", item.item_id, (field,), item_id=item.item_id)


def _dismiss(at: Situation) -> Question:
    return Question(DISMISS, "Dismiss", item_id=at.record.item_id)


def restore(item_id: str) -> Question:
    """Return the act that puts a dismissed item back."""
    return Question(RESTORE, "Undo", item_id=item_id)


def _write(at: Situation) -> Question:
    name, session_id = at.address()
    fields = (
        Field("to_session", "To", name, stands_for=session_id or None),
        Field("subject", "Subject"),
        Field("body", "Text"),
        Field("type", "Type", "notification"),
        Field("priority", "Priority", "normal"),
    )
    return Question(SEND, "New message", session_id, fields, from_session=at.person, project=at.project)


def _broadcast(at: Situation) -> Question:
    fields = (Field("project", "Project", at.project or ""), Field("subject", "Subject"), Field("body", "Text"))
    return Question(BROADCAST, "To every session of a project", "", fields, from_session=at.person)


def _offer(at: Situation) -> Question:
    name, session_id = at.address()
    fields = (
        Field("to_session", "To (*: everybody)", name or "*", stands_for=session_id or None),
        Field("subject", "Subject"),
        Field("body", "Text"),
        Field("project", "Project", at.project or ""),
    )
    return Question(OFFER, "Offer a task", session_id, fields, from_session=at.person)


def _accept(at: Situation) -> Question:
    offered_to = getattr(at.record, "offered_to", None)
    who = offered_to if offered_to and is_session(offered_to) else at.person
    field = Field("session_id", "Accepted by", who)
    title = f"Accept: {getattr(at.record, 'subject', None) or at.record.what}"
    return Question(ACCEPT, title, at.record.task_id, (field,), task_id=at.record.task_id)


def _hand_over(at: Situation) -> Question:
    task = at.record
    fields = (Field("to_session", "To"), Field("body", "Text"))
    return Question(
        HANDOFF, f"Hand over: {task.subject}", task.task_id, fields, task_id=task.task_id, session_id=task.owner
    )


def _complete(at: Situation) -> Question:
    task = at.record
    field = Field("result", "Result")
    return Question(
        COMPLETE, f"Complete: {task.subject}", task.task_id, (field,), task_id=task.task_id, session_id=task.owner
    )


def _cancel(at: Situation) -> Question:
    task = at.record
    field = Field("reason", "Reason (may be empty)")
    return Question(
        CANCEL, f"Cancel: {task.subject}", task.task_id, (field,), task_id=task.task_id, session_id=at.person
    )


def _rename(at: Situation) -> Question:
    name, session_id = at.address()
    return Question(RENAME, f"Rename {name}", session_id, (Field("name", "New name", name),), session_id=session_id)


def _release(at: Situation) -> Question:
    claim = at.record
    title = f"Release the claim of {', '.join(claim.paths)}?"
    return Question(
        RELEASE, title, is_confirmed=True, done="Released.", session_id=at.person, claim_id=claim.claim_id, force=True
    )


def _remember(at: Situation) -> Question:
    fields = (
        Field("project", "Project", at.project or ""),
        Field("key", "Key"),
        Field("type", "Type", "fact"),
        Field("value", "Value"),
    )
    return Question(SET, "New entry", "", fields, session_id=at.person, expected_version=0)


def _edit(at: Situation) -> Question:
    entry = at.entry
    assert entry is not None  # noqa: S101 (for the type checker: the act's condition)
    is_text = isinstance(entry.value, str)
    value = str(entry.value) if is_text else encode(entry.value)
    return Question(
        SET,
        f"Edit {entry.key}, version {entry.version}",
        f"{entry.project} {entry.key}",
        (Field("value", "Value", value, is_text=is_text),),
        session_id=at.person,
        key=entry.key,
        type=entry.type,
        tags=entry.tags,
        metadata=entry.metadata,
        project=entry.project,
        expected_version=entry.version,
    )


def _delete(at: Situation) -> Question:
    entry = at.record
    return Question(
        DELETE, f"Delete {entry.key} with all its versions?", is_confirmed=True, key=entry.key, project=entry.project
    )


def _is_about_session(at: Situation) -> bool:
    return isinstance(at.record, Session | AttentionItem) and bool(at.record.session_id)


ACTS = (
    Act("r", "answer", "attention", _answer, _allows("answer")),
    Act("d", "dismiss", "attention", _dismiss, _allows("dismiss")),
    Act("N", "remind", "attention", _nudge, _allows("nudge")),
    Act("r", "write to it", "sessions claims", _write, lambda at: at.address()[1]),
    Act("a", "accept", "tasks", _accept, _has_status("offered", "accepted")),
    Act("a", "accept", "attention", _accept, lambda at: at.record is not None and at.record.task_id),
    Act("h", "hand over", "tasks", _hand_over, _has_status("accepted")),
    Act("c", "complete", "tasks", _complete, _has_status("accepted")),
    Act("x", "cancel", "tasks", _cancel, _has_status("offered", "accepted")),
    Act("x", "release", "claims", _release),
    Act("e", "edit", "memory", _edit, lambda at: at.entry),
    Act("D", "delete", "memory", _delete),
    Act("n", "new message", "attention sessions claims events", _write, always),
    Act("n", "offer", "tasks", _offer, always),
    Act("n", "new entry", "memory", _remember, always),
    Act("R", "rename", "attention sessions", _rename, _is_about_session),
    Act("o", "offer a task", "attention sessions claims memory events", _offer, always),
    Act("b", "broadcast", "attention sessions tasks claims memory events", _broadcast, always),
)


def acts_in(view: str, situation: Situation) -> list[Act]:
    """Return what can be done now in a view; no two of them have the same key."""
    return [each for each in ACTS if view in each.views and each.can(situation)]
