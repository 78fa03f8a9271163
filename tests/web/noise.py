"""Changes to everything that the page shows, five times a second, while a person is at work on it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from hallway.bus.local import LocalBus
from hallway.store.sqlite import SQLiteStore
from support import Here, until

if TYPE_CHECKING:
    from playwright.sync_api import FloatRect, Locator, Page

PERSON = "user:alice"
ELSEWHERE = "github.com/acme/noise"
TICK_S = 0.2
UPDATES = 3  # of the page while the pointer rests before it clicks


class Noise:
    """A thread that changes sessions, messages, tasks, claims, memory and what needs a person, above and below what is
    being looked at. `changes` counts."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.changes = 0

    def __enter__(self) -> Noise:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        with LocalBus(SQLiteStore(self._path), Here()) as bus:
            for session_id in ("other-1", "other-2"):
                bus.sessions.register(session_id, session_id, "codex", project=ELSEWHERE, ttl_s=86_400)
            while not self._over.wait(TICK_S):
                self._change_attention(bus)
                self._change_the_rest(bus)
                self.changes += 1

    def _change_attention(self, bus: LocalBus) -> None:
        number, session_id = self.changes % 4, f"noise-{self.changes // 4 % 3}"
        if number == 0:
            bus.sessions.register(session_id, session_id, "codex", ttl_s=86_400, status="working")
            bus.messages.send(session_id, PERSON, "request", f"urgent {self.changes}", priority="urgent")
        elif number == 1:
            bus.sessions.update_status(session_id, "waiting", reason="permission", detail=f"Bash: {self.changes}")
        elif number == 2:
            bus.sessions.update_status(
                session_id, "idle", reason="done", detail="a long line " * (self.changes % 3 * 6 + 1)
            )
        else:
            bus.sessions.update_status(session_id, "working")
            inbox = bus.messages.inbox(PERSON, limit=200)
            bus.messages.acknowledge(PERSON, [each.message_id for each in inbox if each.subject.startswith("urgent")])

    def _change_the_rest(self, bus: LocalBus) -> None:
        bus.sessions.heartbeat("other-1", current_task=f"task {self.changes}")
        bus.messages.send("other-1", "other-2", subject=f"noise {self.changes}")
        bus.memory.set("other-1", f"noise/{self.changes % 7}", self.changes, project=ELSEWHERE)
        if self.changes % 3:
            bus.tasks.offer("other-1", "*", f"noise {self.changes}")
            bus.claims.claim("other-1", [f"noise/{self.changes}.py"])
        else:
            for task in bus.tasks.list_tasks(project=ELSEWHERE):
                if task.offered_by == "other-1":
                    bus.tasks.cancel("other-1", task.task_id)
            for claim in bus.claims.list_claims(project=ELSEWHERE):
                bus.claims.release("other-1", claim.claim_id)


class Hand:
    """A person's pointer and keyboard on a page that is updated all the time: nothing may move away from the pointer,
    and nothing may take the focus or the text."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def open(self, address: str) -> None:
        self.page.goto(address)
        self.page.wait_for_selector("#link-state[data-state=live]")
        self.page.evaluate(
            "addEventListener('hallway:shown', () => { window.shown = (window.shown ?? 0) + 1; }, { capture: true })"
        )

    def _shown(self) -> int:
        return int(self.page.evaluate("window.shown ?? 0"))

    def rest_on(self, control: Locator) -> None:
        """Point at a control while the page is updated; it must not move by more than a pixel."""
        control.scroll_into_view_if_needed()
        before, places, end = self._point_at(control), set(), self._shown() + UPDATES

        def is_enough() -> bool:
            box = control.bounding_box()
            assert box, "what the pointer is on is gone"
            places.add((round(box["x"] - before["x"]), round(box["y"] - before["y"])))
            return self._shown() >= end

        until(is_enough)
        assert places <= {(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)}, places

    def _point_at(self, control: Locator) -> FloatRect:
        """Move the pointer onto a control; what was done before may still move it until the pointer is there."""
        while True:
            box = control.bounding_box()
            assert box, "there is nothing to point at"
            self.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            if control.bounding_box() == box:
                return box

    def click(self, control: Locator) -> None:
        """Rest on a control, and press where the pointer is."""
        self.rest_on(control)
        self.page.mouse.down()
        self.page.mouse.up()

    def type(self, field: Locator, text: str) -> None:
        """Type letter by letter while the page is updated."""
        field.click()
        field.fill("")
        end = self._shown() + UPDATES
        for letter in text:
            self.page.keyboard.type(letter)
            self.page.wait_for_timeout(20)
        until(lambda: self._shown() >= end)
        assert field.input_value() == text
        assert field.evaluate("(each) => each === document.activeElement")

    def leave(self) -> None:
        """Move the pointer to where nothing is, and take the focus away."""
        self.page.mouse.move(2, 300)
        self.page.evaluate("document.activeElement.blur()")
