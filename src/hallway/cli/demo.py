"""`hallway demo`: sessions on real processes that know of each other, talk, share work and remember.

Three scripted agents, each an operating-system process of its own, share one bus in a temporary folder. The person sees
what happens there, and what `hallway list`, `hallway thread`, `hallway task list` and `hallway memory search` show.
Every claim of the tour is checked. Run as a module with a session's id, this file is one of the agents.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial

import hallway
from hallway.cli.confirmation import is_at_terminal
from hallway.cli.interrupts import hold_interrupts
from hallway.cli.render.events import event as show_event
from hallway.cli.terminal import Terminal, out
from hallway.core.errors import AlreadyTaken
from hallway.core.schema import encode
from hallway.text.sanitize import clean_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable
    from typing import IO

    from hallway.core.model import Event, Message, Task


AGENTS = {
    "s-claude": ("alice's claude", "claude-code", ["plan"]),
    "s-codex": ("bob's codex", "codex", ["code"]),
    "s-gemini": ("alice's gemini", "gemini", ["code", "review"]),
}
NAMES = {session_id: session_id.removeprefix("s-") for session_id in AGENTS}
ME = "user:alice"
TTL_S = 10
INDENT = " " * 6  # of events
PROJECT = "github.com/acme/shop"
NOT_ITS_OWN = ("HALLWAY_URL", "HALLWAY_TOKEN", "HALLWAY_SESSION")  # of the person's environment


def demo(args: Namespace) -> int:
    """Show what hallway does: a tour of some 30 seconds with three scripted sessions, on a bus of its own.

    The sessions are processes of this machine. They meet, ask and answer, share a task, remember a decision, and one is
    killed. Nothing of yours is read or written, and no agent is started. On a terminal the tour waits for Enter between
    its parts. The exit status is 1 if something that it claims did not happen.
    """
    import tempfile

    with tempfile.TemporaryDirectory(prefix="hallway-demo-", ignore_cleanup_errors=True) as home:
        os.environ.update(HALLWAY_HOME=home, HALLWAY_PROJECT=PROJECT, HALLWAY_USER="alice")
        for name in NOT_ITS_OWN:
            os.environ.pop(name, None)
        tour = Demo(is_json=args.is_json)
        try:
            tour.run()
        finally:
            tour.stop()
    return 1 if tour.failures else 0


def agent(session_id: str) -> None:
    """Run one agent: register, send heartbeats, handle the inbox, and follow orders until standard input closes.

    An order is a line of JSON: an operation and what it takes besides the session, `["messages.send", "bob", …]`.
    """
    name, kind, capabilities = AGENTS[session_id]
    with hallway.connect() as bus:
        bus.sessions.register(session_id, name, kind, name=NAMES[session_id], ttl_s=TTL_S, capabilities=capabilities)
        beating = threading.Event()

        def beat() -> None:
            while not beating.wait(1.0):
                bus.sessions.heartbeat(session_id)

        threading.Thread(target=beat, daemon=True).start()
        handlers = {"request": answer, "task_offer": accept, "handoff": accept, "sync": read_plan}
        for message_type, handler in handlers.items():
            bus.messages.register_handler(message_type, partial(handler, bus, session_id), session_id)
        for line in sys.stdin:
            operation, *rest = json.loads(line)
            noun, method = operation.split(".")
            getattr(getattr(bus, noun), method)(session_id, *rest)
        beating.set()
        bus.sessions.end(session_id, "closed its window")


def answer(bus: hallway.Bus, session_id: str, request: Message) -> None:
    bus.messages.reply(session_id, request.message_id, "In api/auth.py: check_token, since this morning.")


def accept(bus: hallway.Bus, session_id: str, offer: Message) -> None:
    try:
        bus.tasks.accept(session_id, str(offer.task_id))
    except AlreadyTaken as lost:
        bus.messages.reply(session_id, offer.message_id, f"Never mind: {lost.message}.")


def read_plan(bus: hallway.Bus, session_id: str, news: Message) -> None:
    plan = bus.memory.get_entry(str(news.data["key"]))
    bus.messages.reply(session_id, news.message_id, f"I have read {plan.key}, {len(plan.value['steps'])} steps.")


class Demo:
    """The tour: it starts the agents, follows the bus, and counts the claims that do not hold."""

    def __init__(self, *, is_json: bool = False) -> None:
        self.screen = out()
        self.is_json = is_json
        self.bus = hallway.connect()
        self.events: list[Event] = []
        self.shown = 0  # of the events
        self.failures = 0
        self.agents: dict[str, subprocess.Popen[str]] = {}
        self.bus.events.on("*", self.events.append)

    def show_events(self) -> None:
        """Write the events that are not shown yet. The follower's thread only collects them."""
        width = self.screen.width and self.screen.width - len(INDENT)
        narrower = Terminal(self.screen.stream, width=width, has_colour=self.screen.has_colour)
        narrower.names = NAMES
        while self.shown < len(self.events):
            self.say(f"{INDENT}{show_event(narrower, self.events[self.shown])}")
            self.shown += 1

    def say(self, text: str) -> None:
        """Write a line for a person; with --json only the claims are written."""
        if not self.is_json:
            self.screen.write(text)

    def pause(self) -> None:
        """Wait for Enter before the next part, if a person is at the terminal."""
        if is_at_terminal() and not self.is_json:
            self.say("\nPress Enter to go on, Ctrl-C to end.")
            sys.stdin.readline()

    def start(self, session_id: str) -> None:
        command = [sys.executable, "-m", __name__, session_id]
        # A session of its own: Ctrl-C ends the tour, which then ends the agents.
        with hold_interrupts():
            self.agents[session_id] = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True
            )

    def order(self, session_id: str, operation: str, *rest: object) -> None:
        """Have an agent run an operation, in its own name."""
        stdin = self._orders_for(session_id)
        stdin.write(json.dumps([operation, *rest]) + "\n")
        stdin.flush()

    def _orders_for(self, session_id: str) -> IO[str]:
        stdin = self.agents[session_id].stdin
        if stdin is None:
            raise RuntimeError(f"{session_id} takes no orders")
        return stdin

    def happened(self, kind: str, session_id: str) -> bool:
        return any(event.kind == kind and event.session_id == session_id for event in self.events)

    def sent(self, message_type: str, from_session: str) -> list[Message]:
        """Return the messages of a type that a session has sent, newest last."""
        ids = [
            event.data["message_id"]
            for event in self.events
            if event.kind == "message.sent" and (event.data["type"], event.session_id) == (message_type, from_session)
        ]
        return [self.bus.messages.get(str(message_id)) for message_id in ids]

    def task(self, subject: str) -> Task:
        """Return the newest task of a subject."""
        return next(task for task in self.bus.tasks.list_tasks(include_done=True) if task.subject == subject)

    def claim(self, text: str, is_true: Callable[[], bool], within_s: float = 10) -> None:
        """Wait for something to become true, and say whether it did."""
        deadline = time.monotonic() + within_s
        while not (held := is_true()) and time.monotonic() < deadline:
            time.sleep(0.05)
            self.show_events()
        self.show_events()
        self.failures += not held
        mark = self.screen.paint("✓", "green") if held else self.screen.paint("✗ NOT TRUE:", "red")
        self.say(f"  {mark} {text}")
        if self.is_json:
            self.screen.write(clean_json(encode({"claim": text, "is_true": held})))

    def show(self, *words: str) -> None:
        """Run a command as a person would type it."""
        if not self.is_json:
            self.say(f"\n$ hallway {' '.join(words)}")
            with hold_interrupts():
                subprocess.run([sys.executable, "-m", "hallway", *words], check=True)
            self.say("")

    def run(self) -> None:
        """Show every part, and say at the end whether everything held."""
        for part in (self.meet, self.talk, self.share_work, self.plan_develop_review):
            part()
            self.pause()
        self.go_and_come_back()
        self.say(f"{self.failures} claims did not hold." if self.failures else "Everything held.")
        self.say("Connect your own agents: hallway install")

    def meet(self) -> None:
        self.say("Three agents start, each in a process of its own:")
        for session_id in AGENTS:
            self.start(session_id)
        for session_id in AGENTS:
            is_there = partial(self.happened, "session.registered", session_id)
            self.claim(f"{NAMES[session_id]} is on the bus", is_there)
        self.order("s-claude", "sessions.update_status", "working", "mend the login form")
        self.order("s-codex", "sessions.update_status", "waiting", "may I run the migration?")
        self.claim(
            "each sees the two others, and what they do",
            lambda: (
                {(s.session_id, s.status) for s in self.bus.sessions.heartbeat("s-gemini").others}
                == {("s-claude", "working"), ("s-codex", "waiting")}
            ),
        )
        self.show("list", "--all")

    def talk(self) -> None:
        self.say("One asks another, and waits for the answer:")
        self.order("s-claude", "messages.request", "s-codex", "Where is the token checked?")
        self.claim("codex has answered", lambda: len(self.sent("response", "s-codex")) == 1)
        question = self.sent("request", "s-claude")[0]
        self.claim(
            "question and answer are read and dealt with, and the sender can see it",
            lambda: (
                {each.state for each in self.bus.messages.get_conversation(question.message_id).deliveries}
                == {"acknowledged"}
            ),
        )
        self.show("thread", question.message_id)

        self.say("One tells everybody:")
        self.order("s-gemini", "messages.broadcast", "The test database is down for ten minutes")
        self.claim(
            "it is in both other inboxes",
            lambda: all(
                [m.from_session for m in self.bus.messages.inbox(name, types=["broadcast"])] == ["s-gemini"]
                for name in ("s-claude", "s-codex")
            ),
        )

    def share_work(self) -> None:
        self.say("A person offers work to whoever can code; two can, and both try to take it:")
        subject = "Mend the login form"
        task = self.bus.tasks.offer(ME, "capability:code", subject, "It forgets who is logged in.")
        rivals = {"s-codex", "s-gemini"}
        self.claim("one of them has it", lambda: self.task(subject).owner in rivals)
        owner = str(self.task(subject).owner)
        (other,) = rivals - {owner}
        self.claim(
            f"{NAMES[other]} was told that it is {NAMES[owner]}'s",
            lambda: any(owner in message.body for message in self.sent("response", other)),
        )
        self.show("task", "list")
        self.say("Who has it hands it over:")
        self.order(owner, "tasks.handoff", task.task_id, other, "The form is done, its tests are not.")
        self.claim(f"it is {NAMES[other]}'s now", lambda: self.task(subject).owner == other)
        self.order(other, "tasks.complete", task.task_id, "Done, with tests.")
        self.claim("it is done", lambda: self.task(subject).status == "completed")
        self.show("thread", task.task_id)

    def plan_develop_review(self) -> None:
        self.say("A planner, a developer and a reviewer:")
        plan = {"goal": "tokens that can be revoked", "steps": ["store them", "check them", "revoke them"]}
        self.order("s-claude", "memory.set", "plan/tokens", plan, "context")
        self.order("s-claude", "messages.send", "s-codex", "sync", "The plan is there", "", {"key": "plan/tokens"})
        self.claim(
            "the developer has read the plan",
            lambda: any("plan/tokens, 3 steps" in message.body for message in self.sent("response", "s-codex")),
        )
        subject = "Review the tokens"
        self.order("s-codex", "tasks.offer", "capability:review", subject, "They are on the branch tokens.")
        self.claim("a review is offered", lambda: self.happened("task.offered", "s-codex"))
        self.claim("the reviewer has taken it", lambda: self.task(subject).owner == "s-gemini")
        self.order("s-gemini", "tasks.complete", self.task(subject).task_id, "Good, but store them hashed.")
        self.claim(
            "the developer hears what came of it",
            lambda: any("hashed" in message.body for message in self.bus.messages.inbox("s-codex")),
        )
        self.order(
            "s-claude", "memory.set", "decision/tokens", "Tokens are stored hashed, never as they are", "decision"
        )
        self.claim(
            "the decision is found again",
            lambda: (
                [found.key for found in self.bus.memory.find("hashed tokens", type="decision")] == ["decision/tokens"]
            ),
        )
        self.show("memory", "search", "tokens")

    def go_and_come_back(self) -> None:
        self.say(f"One is killed with kill -9; nobody cleans up after it, and its time to live is {TTL_S} s:")
        self.agents["s-gemini"].send_signal(signal.SIGKILL)
        killed_at = time.monotonic()
        self.claim("it is offline without anybody's help", lambda: self.happened("session.expired", "s-gemini"), 15)
        self.say(f"    (seen {time.monotonic() - killed_at:.1f} s after the kill)")
        self.claim(
            "the two others are alive",
            lambda: {s.session_id for s in self.bus.sessions.find_sessions()} == {"s-claude", "s-codex"},
        )

        self.say("One closes its window; one comes back under its old id:")
        self._orders_for("s-codex").close()
        self.claim("the closed one is offline at once", lambda: self.happened("session.ended", "s-codex"))
        self.start("s-gemini")
        self.claim("the killed one is back", lambda: self.happened("session.resumed", "s-gemini"))
        self.show("list", "--all")
        expired = [event for event in self.events if event.kind == "session.expired"]
        self.claim("one expiry, one event", lambda: len(expired) == 1)

    def stop(self) -> None:
        with hold_interrupts():
            for process in self.agents.values():
                process.kill()
                process.communicate()  # waits for its end, and closes the pipe to it
            self.bus.close()


if __name__ == "__main__":
    agent(sys.argv[1])
