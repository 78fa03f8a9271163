"""What needs a person: one ranked list, worked out from the bus, and the same on every face (H1, H2).

The list follows from sessions, messages and tasks; nobody writes it. The table `attention` holds what does not follow
from them: which items were announced with an event, dismissed or answered. Whoever looks first after a change announces
what has appeared and what is resolved, in one transaction, so there is one event for each, on any number of hubs. While
no event has happened and no item is due to appear by itself, reading the list reads one row.
"""

from __future__ import annotations

from hallway.core.clock import SECOND
from hallway.core.errors import AttentionNotFound, InvalidInput, Refused, StorageError, Unavailable
from hallway.core.hashing import short_digest
from hallway.core.model import OBSERVER, PERSON, Attention, AttentionItem, AttentionReply
from hallway.core.operation import operation
from hallway.core.parameters import DAY_S
from hallway.core.topics import topic
from hallway.services.base import Service

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from hallway.core.context import Context
    from hallway.core.model import Receipt
    from hallway.services.attention_items import Entry, Snapshot, StuckAfter
    from hallway.store import Row

MIN_REFERENCE = 4  # characters of an item's id that name it
MAX_SUBJECT = 200
WATCHED_S = DAY_S  # how long an urgent message is watched after its client took it
TOPIC = topic("attention", "")
NUDGES = {
    "overdue": "{person} asks: this request still waits for your answer.",
    "stuck": "{person} asks whether you are stuck: nothing was seen of you for a while. Say in a line how far you are.",
    "urgent": "{person} asks: an urgent message waits for you in your inbox.",
    "orphaned": "{person} asks: this task's owner is gone, and nobody has accepted it. Can you take it?",
    "unclaimed": "{person} asks: nobody has accepted this task. Can you take it?",
}


class LastLook:
    """The list as it was last read. A hub's connections share it, so that one of them reads it for all."""

    __slots__ = ("snapshot",)

    def __init__(self) -> None:
        self.snapshot: Snapshot | None = None


class AttentionList(Service, noun="attention"):
    """What needs a person, the most important first."""

    def __init__(self, bus: Context | Service | str | PathLike[str] | None = None) -> None:
        super().__init__(bus)
        self._stuck_after: StuckAfter | None = None
        self.last_look = LastLook()
        self._version = ""

    @operation("GET /attention", verb="attention", is_of_all=True, refresh="refresh")
    def read(
        self,
        project: str | None = None,
        *,
        person: str | None = None,
        include_dismissed: bool = False,
        after_id: str | None = None,
        limit: int = 50,
        version: str | None = None,
        wait_s: float = 0,
    ) -> Attention:
        """Return what needs a person, the most important first.

        In this order: what is urgent; then by kind: a permission, a question, a request to a person, a conflict, an
        overdue request between agents, a stuck session, an urgent message that is unread, a task whose owner is gone, a
        task that nobody has accepted, a finished turn; then the oldest. An item that is answered stays, at the end,
        until the session has the answer. Without a `person`, requests to others than the caller are left out, unless
        the caller is the bus's owner. With `wait_s` and the `version` of the list that the caller has, it waits until
        the list is another. For the next page pass the last id of this page.
        """
        seen = self._current()
        who, filters = self.bus.principal, (project, person, include_dismissed)
        items, by_kind, named = seen.remember(
            (who and (who.name, who.role, who.visible), *filters), lambda: self._list(seen, *filters)
        )
        return Attention.of((self._page(items, after_id, limit), len(items), dict(by_kind), named))

    @operation("POST /attention/{item_id}/dismiss", verb="dismiss", is_persons=True)
    def dismiss(self, item_id: str) -> AttentionItem:
        """Take an item off the list, until something new happens; `restore` puts it back.

        Dismissing it twice changes nothing. Raises AttentionNotFound for what is not on the list.
        """
        return self._change(item_id, "dismiss", "attention.dismissed")

    @operation("POST /attention/{item_id}/restore", verb="dismiss --undo", is_persons=True)
    def restore(self, item_id: str) -> AttentionItem:
        """Put a dismissed item back on the list; raises AttentionNotFound if it is resolved by now."""
        return self._change(item_id, "restore", "attention.restored")

    @operation("POST /attention/{item_id}/answer", verb="answer", is_persons=True)
    def answer(
        self, item_id: str, body: str, *, idempotency_key: str | None = None, allow_secret: bool = False
    ) -> AttentionReply:
        """Answer an item: reply to the request, or write to the session that asks, is stuck or has finished.

        The item is answered from then on, and off the list once the session has the answer. A permission is answered in
        the session's own terminal alone; so is a question's dialog, which stays open there. Raises Refused for an item
        that cannot be answered, and for a request to another person.
        """
        entry = self._answerable(item_id)
        item = entry.item
        options: dict[str, Any] = {"idempotency_key": idempotency_key, "allow_secret": allow_secret}
        if entry.recipient is not None:
            receipt = self._reply(entry, body, options)
        else:
            receipt = self._write_to(item.session_id, f"Re: {item.what}" if item.what else "", body, **options)
        self._mark_answered(entry, receipt.seq, self.bus.messages.require(receipt.message_id).to_session)
        return self._replied(item, receipt)

    @operation("POST /attention/{item_id}/nudge", verb="nudge", words=("item_id", "body"), is_persons=True)
    def nudge(
        self, item_id: str, body: str | None = None, *, idempotency_key: str | None = None, allow_secret: bool = False
    ) -> AttentionReply:
        """Remind whoever an item waits for: the stuck session, or who has not answered, read or accepted something.

        With a text, that is what they are told. The item stays. Raises Refused for an item that waits for a person.
        """
        item = self._require(item_id).item
        if "nudge" not in item.actions:
            raise Refused(
                f"there is nobody to remind: {item.what or item.kind!r} waits for a person",
                hint="Answer it, or dismiss it",
            )
        text = body or NUDGES[item.kind].format(person=self._person)
        options: dict[str, Any] = {"idempotency_key": idempotency_key, "allow_secret": allow_secret}
        address, parent = self._whom_to_nudge(item)
        receipt = self._write_to(address, item.what, text, in_reply_to=parent, **options)
        return self._replied(item, receipt)

    # -- called by the bus and by faces -------------------------------------------------------------------------------

    def refresh(self) -> bool:
        """Announce what has appeared and what is resolved; return whether the list differs from the last refresh."""
        principal, self.bus.principal = self.bus.principal, None  # the bus's own work
        try:
            with self._store.read():
                seen = self._current()
            if seen.has_changes:
                with self.bus.transaction():  # type: ignore[attr-defined]
                    self._announce()
                with self._store.read():
                    seen = self._look()
        except (StorageError, Unavailable):
            return False  # a full disk or a stuck writer must not stop a reader: the list does not depend on this
        finally:
            self.bus.principal = principal
        before = self._version
        self._version = seen.remember((), lambda: version_of([each.item for each in seen.entries]))
        return before != self._version

    def is_fresh(self) -> bool:
        seen = self.last_look.snapshot
        return seen is not None and self._holds(seen) and not seen.has_changes

    def may_see(self, text: str) -> bool:
        """Return whether the caller may see an announced item, which is given as the table has it."""
        from hallway.services.attention_items import Entry

        return self.bus.principal is None or self._shown(Entry.of_text(text)) is not None

    def require_answerable(self, item_id: str) -> AttentionItem:
        """Return an item that can be answered; raises AttentionNotFound or Refused."""
        return self._answerable(item_id).item

    def _answerable(self, item_id: str) -> Entry:
        entry = self._require(item_id)
        if "answer" not in entry.item.actions:
            raise self._not_answerable(entry.item)
        return entry

    def prune_old(self, before: int, limit: int) -> int:
        self._unwatch()
        return 0  # no message was written

    # -- the list -----------------------------------------------------------------------------------------------------

    def _list(
        self, seen: Snapshot, project: str | None, person: str | None, include_dismissed: bool
    ) -> tuple[list[AttentionItem], dict[str, int], str]:
        """Return the caller's list, the number of items of each kind, and the list's version."""
        wanted = person.removeprefix(PERSON) if person else None
        items = [
            item
            for entry in seen.entries
            if (include_dismissed or entry.item.state != "dismissed")
            and project in (None, entry.item.project)
            and self._concerns(entry, wanted)
            and (item := self._shown(entry)) is not None
        ]
        by_kind: dict[str, int] = {}
        for item in items:
            by_kind[item.kind] = by_kind.get(item.kind, 0) + 1
        return items, by_kind, version_of(items)

    def _current(self) -> Snapshot:
        """Return the list as it was last read if it is still so, else read it again."""
        seen = self.last_look.snapshot
        return seen if seen is not None and self._holds(seen) else self._look()

    def _holds(self, seen: Snapshot) -> bool:
        """Return whether the list is as it was when it was read: no event since, and no item has come due."""
        return seen.now <= self._store.now < seen.until and seen.last_event == self._last_event()

    def _last_event(self) -> Row | None:
        return self._store.one("attention.last_event")

    def _look(self) -> Snapshot:
        """Read the list, and remember it: only in a read, since what a transaction reads may be rolled back."""
        self.last_look.snapshot = seen = self._take()
        return seen

    def _take(self) -> Snapshot:
        from hallway.services.attention_items import Look, Snapshot, StuckAfter

        if self._stuck_after is None:
            self._stuck_after = StuckAfter()
        return Snapshot(self._last_event(), Look(self._store, self._stuck_after))

    def _announce(self) -> Snapshot:
        """Write an event for each item that has appeared or is resolved; return the list, in the open transaction."""
        self._store.exclusive()
        self.last_look.snapshot = None
        while (seen := self._take()).has_changes:  # twice if a request was answered and its sender has the answer
            for entry in seen.new:
                self._store.rows(
                    "attention.announce", item_id=entry.item.item_id, item=entry.to_text(), now=self._store.now
                )
                self._tell("attention.appeared", entry.item)
            for entry in seen.gone:
                if not self._has_reply(entry):
                    self._store.rows("attention.resolve", item_id=entry.item.item_id)
                    self._tell("attention.resolved", entry.item)
            self._unwatch()
        return seen

    def _has_reply(self, entry: Entry) -> bool:
        """Mark a request as answered whose person has replied without `answer`; return whether it was."""
        item = entry.item
        if entry.recipient is None or self._store.one("attention.is_answered", item_id=item.item_id):
            return False
        reply = self._store.one("attention.reply", message_id=item.message_id, from_session=entry.recipient)
        if reply is None:
            return False
        self._mark_answered(entry, reply[0], reply[1])
        return True

    def _tell(self, kind: str, item: AttentionItem, **more: str) -> None:
        self.bus.changed_topics.add(TOPIC)
        self.bus.events.append(
            kind,
            item.project,
            item.session_id,
            item_id=item.item_id,
            kind=item.kind,
            what=item.what,
            is_urgent=item.is_urgent,
            **more,
        )

    def _unwatch(self) -> None:
        self._store.rows("attention.unwatch", since=self._store.now - WATCHED_S * SECOND)

    def _concerns(self, entry: Entry, person: str | None) -> bool:
        """Return whether an entry concerns a person; with none named, the caller."""
        if person is not None:
            return entry.item.person in (None, person)
        return self.bus.principal is None or entry.recipient in (None, self.bus.person)

    def _shown(self, entry: Entry) -> AttentionItem | None:
        """Return an item as the caller may see it; None if it may not."""
        who, item = self.bus.principal, entry.item
        if who is None:
            return item
        projects = (item.project, entry.home or item.project, *entry.projects)
        if not any(map(who.sees, projects)) and who.person not in entry.people:
            return None
        if entry.home is not None and not who.sees(entry.home):
            item = item.replace(client=None, branch=None, terminal=None, name=item.session_id)
        if who.role == OBSERVER:
            item = item.replace(actions=["open"])
        return item

    def _page(self, items: list[AttentionItem], after_id: str | None, limit: int) -> list[AttentionItem]:
        if after_id is None:
            return items[:limit]
        places = [place for place, each in enumerate(items) if each.item_id == after_id]
        if not places:
            raise AttentionNotFound(
                f"{after_id} is not on the list any more, so the page after it is not known",
                hint="Begin with the first page again",
            )
        return items[places[0] + 1 :][:limit]

    # -- one item -----------------------------------------------------------------------------------------------------

    def _require(self, item_id: str) -> Entry:
        """Return the entry that an id or the beginning of one names, among those that the caller may see."""
        visible = [each for each in self._announce().entries if self._shown(each) is not None]
        is_long = len(item_id) >= MIN_REFERENCE
        entries = [each for each in visible if is_long and each.item.item_id.startswith(item_id)]
        exact = [each for each in entries if each.item.item_id == item_id]
        if len(exact or entries) == 1:
            return (exact or entries)[0]
        if entries:
            ids = ", ".join(each.item.item_id for each in entries[:5])
            raise InvalidInput(f"{item_id!r} may be any of {ids}", hint="Write more of the id")
        raise AttentionNotFound(f"nothing that needs attention has the id {item_id!r}")

    def _change(self, item_id: str, statement: str, kind: str) -> AttentionItem:
        entry = self._require(item_id)
        if self._store.rows(f"attention.{statement}", item_id=entry.item.item_id, now=self._store.now):
            self._tell(kind, entry.item, by=self._person)
        return self._shown(self._require(entry.item.item_id)) or entry.item

    def _reply(self, entry: Entry, body: str, options: dict[str, Any]) -> Receipt:
        """Reply to a request as the person that it is for; the bus's owner may speak as any person."""
        recipient, message_id = str(entry.recipient), str(entry.item.message_id)
        if self.bus.principal is not None and recipient != self.bus.person:
            raise Refused(f"this is a request to {recipient}, not to {self.bus.person}", hint="Leave it to that person")
        receipt: Receipt = self.bus.messages.reply(recipient, message_id, body, **options)
        return receipt

    def _write_to(self, address: str | None, subject: str, body: str, **options: Any) -> Receipt:
        receipt: Receipt = self.bus.messages.send(
            self._person, address, "notification", subject[:MAX_SUBJECT], body, priority="high", **options
        )
        return receipt

    def _whom_to_nudge(self, item: AttentionItem) -> tuple[str | None, str | None]:
        """Return the address that a reminder goes to, and the message in whose thread it is."""
        if item.task_id is not None:
            return self.bus.tasks.require(item.task_id).offered_to, item.message_id
        address = item.session_id or self.bus.messages.require(item.message_id).to_session
        return address, item.message_id

    def _mark_answered(self, entry: Entry, seq: int, session_id: str) -> None:
        self._store.rows(
            "attention.answer", item_id=entry.item.item_id, now=self._store.now, seq=seq, session_id=session_id
        )
        self._tell("attention.answered", entry.item, by=entry.recipient or self._person)

    def _replied(self, item: AttentionItem, receipt: Receipt) -> AttentionReply:
        entry = next((each for each in self._take().entries if each.item.item_id == item.item_id), None)
        item_now = self._shown(entry) if entry else None
        return AttentionReply.of((item_now or item, receipt.message_id, receipt.recipient_status, receipt.held_back))

    def _not_answerable(self, item: AttentionItem) -> Refused:
        if item.kind == "permission":
            return Refused(
                f"{item.name} asks for a permission in its own terminal, and {item.client} takes no answer from"
                " elsewhere",
                hint="Answer it there",
                terminal=item.terminal,
            )
        return Refused(
            f"{item.what or item.kind!r} asks nothing, so it cannot be answered",
            hint=f"What can be done: {', '.join(item.actions)}",
        )


def version_of(items: list[AttentionItem]) -> str:
    """Return a word that differs for any two lists that a person would see as different."""
    return short_digest(
        "\n".join(
            f"{each.item_id} {each.state} {each.is_urgent} {each.name!r} {each.branch!r} {each.what!r}"
            for each in items
        )
    )
