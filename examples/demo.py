"""hallway's main job on real processes: sessions that know of each other, talk, share work and remember.

Run it with `make demo`. Three agents, each an operating-system process of its own, share one bus in a throwaway
folder; you see what happens on it, and what `hallway list`, `hallway thread`, `hallway task list` and
`hallway memory search` show. It ends by itself, and its exit status says whether everything it claims held.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial

import hallway
from hallway.cli.render.events import event as show_event
from hallway.cli.terminal import Terminal
from hallway.core.errors import AlreadyTaken
from hallway.core.model import Event, Message, Task

AGENTS = {
    "s-claude": ("alice's claude", "claude-code", ["plan"]),
    "s-codex": ("bob's codex", "codex", ["code"]),
    "s-gemini": ("alice's gemini", "gemini", ["code", "review"]),
}
ME = "user:alice"
TTL_S = 10
PROJECT = "github.com/acme/shop"
SCREEN = Terminal(sys.stdout, width=120)


def agent(session_id: str) -> None:
    """One agent: registers, beats, deals with its inbox, and does what its standard input says until that closes.

    An order is a line of JSON: an operation and what it takes besides the session, `["messages.send", "bob", …]`.
    """
    name, kind, capabilities = AGENTS[session_id]
    with hallway.connect() as bus:
        bus.sessions.register(session_id, name, kind, ttl_s=TTL_S, capabilities=capabilities)
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
    """Starts the agents, watches the bus, and keeps count of what held."""

    def __init__(self) -> None:
        self.bus = hallway.connect()
        self.events: list[Event] = []
        self.failures = 0
        self.agents: dict[str, subprocess.Popen[str]] = {}
        self.bus.events.on("*", self._seen)

    def _seen(self, event: Event) -> None:
        self.events.append(event)
        print(f"      {show_event(SCREEN, event)}")

    def start(self, session_id: str) -> None:
        command = [sys.executable, __file__, session_id]
        self.agents[session_id] = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)

    def order(self, session_id: str, operation: str, *rest: object) -> None:
        """Have an agent run an operation, in its own name."""
        stdin = self.agents[session_id].stdin
        assert stdin is not None
        stdin.write(json.dumps([operation, *rest]) + "\n")
        stdin.flush()

    def happened(self, kind: str, session_id: str) -> bool:
        return any(event.kind == kind and event.session_id == session_id for event in self.events)

    def sent(self, message_type: str, from_session: str) -> list[Message]:
        """The messages of a type that somebody has sent, newest last."""
        ids = [
            event.data["message_id"]
            for event in self.events
            if event.kind == "message.sent" and (event.data["type"], event.session_id) == (message_type, from_session)
        ]
        return [self.bus.messages.get(str(message_id)) for message_id in ids]

    def task(self, subject: str) -> Task:
        """The newest task of that subject."""
        return next(task for task in self.bus.tasks.list_tasks(include_done=True) if task.subject == subject)

    def claim(self, text: str, is_true: Callable[[], bool], within_s: float = 10) -> None:
        """Wait for something to become true, and say whether it did."""
        deadline = time.monotonic() + within_s
        while not (held := is_true()) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.failures += not held
        print(f"  {'✔' if held else '✘ NOT TRUE:'} {text}")

    def show(self, *words: str) -> None:
        """What a person would type."""
        print(f"\n$ hallway {' '.join(words)}", flush=True)
        subprocess.run([sys.executable, "-m", "hallway", *words], check=True)
        print()

    def run(self) -> None:
        self.meet()
        self.talk()
        self.share_work()
        self.plan_develop_review()
        self.go_and_come_back()

    def meet(self) -> None:
        print("Three agents start, each in a process of its own:")
        for session_id in AGENTS:
            self.start(session_id)
        for session_id in AGENTS:
            self.claim(f"{session_id} is on the bus", lambda s=session_id: self.happened("session.registered", s))
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
        print("One asks another, and waits for the answer:")
        self.order("s-claude", "messages.request", "s-codex", "Where is the token checked?")
        self.claim("s-codex has answered", lambda: len(self.sent("response", "s-codex")) == 1)
        question = self.sent("request", "s-claude")[0]
        self.claim(
            "question and answer are read and dealt with, and the sender can see it",
            lambda: (
                {each.state for each in self.bus.messages.get_conversation(question.message_id).deliveries}
                == {"acknowledged"}
            ),
        )
        self.show("thread", question.message_id)

        print("One tells everybody:")
        self.order("s-gemini", "messages.broadcast", "The test database is down for ten minutes")
        self.claim(
            "it is in both other inboxes",
            lambda: all(
                [m.from_session for m in self.bus.messages.inbox(name, types=["broadcast"])] == ["s-gemini"]
                for name in ("s-claude", "s-codex")
            ),
        )

    def share_work(self) -> None:
        print("A person offers work to whoever can code; two can, and both try to take it:")
        subject = "Mend the login form"
        task = self.bus.tasks.offer(ME, "capability:code", subject, "It forgets who is logged in.")
        rivals = {"s-codex", "s-gemini"}
        self.claim("one of them has it", lambda: self.task(subject).owner in rivals)
        owner = str(self.task(subject).owner)
        (other,) = rivals - {owner}
        self.claim(
            f"{other} was told that it is {owner}'s",
            lambda: any(owner in message.body for message in self.sent("response", other)),
        )
        self.show("task", "list")
        print("Who has it hands it over:")
        self.order(owner, "tasks.handoff", task.task_id, other, "The form is done, its tests are not.")
        self.claim(f"it is {other}'s now", lambda: self.task(subject).owner == other)
        self.order(other, "tasks.complete", task.task_id, "Done, with tests.")
        self.claim("it is done", lambda: self.task(subject).status == "completed")
        self.show("thread", task.task_id)

    def plan_develop_review(self) -> None:
        print("A planner, a developer and a reviewer:")
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
        print(f"One is killed with kill -9; nobody cleans up after it, and its time to live is {TTL_S} s:")
        self.agents["s-gemini"].send_signal(signal.SIGKILL)
        killed_at = time.monotonic()
        self.claim("it is offline without anybody's help", lambda: self.happened("session.expired", "s-gemini"), 15)
        print(f"    (seen {time.monotonic() - killed_at:.1f} s after the kill)")
        self.claim(
            "the two others are alive",
            lambda: {s.session_id for s in self.bus.sessions.find_sessions()} == {"s-claude", "s-codex"},
        )

        print("One closes its window; one comes back under its old id:")
        stdin = self.agents["s-codex"].stdin
        assert stdin is not None
        stdin.close()
        self.claim("the closed one is offline at once", lambda: self.happened("session.ended", "s-codex"))
        self.start("s-gemini")
        self.claim("the killed one is back", lambda: self.happened("session.resumed", "s-gemini"))
        self.show("list", "--all")
        expired = [event for event in self.events if event.kind == "session.expired"]
        self.claim("one expiry, one event", lambda: len(expired) == 1)

    def stop(self) -> None:
        for process in self.agents.values():
            process.kill()
            process.wait()
        self.bus.close()


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="hallway-demo-") as home:
        os.environ.update(HALLWAY_HOME=home, HALLWAY_PROJECT=PROJECT, HALLWAY_USER="alice")
        os.environ.pop("HALLWAY_URL", None)
        demo = Demo()
        try:
            demo.run()
        finally:
            demo.stop()
    print("Everything held." if not demo.failures else f"{demo.failures} claims did not hold.")
    return 1 if demo.failures else 0


if __name__ == "__main__":
    sys.exit(agent(sys.argv[1]) if len(sys.argv) > 1 else main())
