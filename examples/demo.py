"""roost's main job on real processes: sessions that know of each other.

Run it with `make demo`. Three agents, each an operating-system process of its own, share one bus in a throwaway
folder; you see what `roost list` and `roost watch` show of them. It ends by itself, and its exit status says whether
everything it claims held.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable

import roost
from roost.cli.render.events import event as show_event
from roost.cli.screen import out
from roost.model import Event

AGENTS = {
    "s-claude": ("alice's claude", "claude-code"),
    "s-codex": ("bob's codex", "codex"),
    "s-gemini": ("alice's gemini", "gemini"),
}
TTL_S = 10
PROJECT = "github.com/acme/shop"


def agent(session_id: str) -> None:
    """One agent: registers, then beats and takes orders from its standard input until that closes."""
    name, kind = AGENTS[session_id]
    with roost.connect() as bus:
        bus.sessions.register(session_id, name, kind, ttl_s=TTL_S, capabilities=["review"])
        beating = threading.Event()

        def beat() -> None:
            while not beating.wait(1.0):
                bus.sessions.heartbeat(session_id)

        threading.Thread(target=beat, daemon=True).start()
        for order in sys.stdin:
            status, _, task = order.strip().partition(" ")
            bus.sessions.update_status(session_id, status, task or None)
        beating.set()
        bus.sessions.end(session_id, "closed its window")


class Demo:
    """Starts the agents, watches the bus, and keeps count of what held."""

    def __init__(self) -> None:
        self.bus = roost.connect()
        self.events: list[Event] = []
        self.failures = 0
        self.agents: dict[str, subprocess.Popen[str]] = {}
        self.bus.events.on("*", self._seen)

    def _seen(self, event: Event) -> None:
        self.events.append(event)
        print(f"      {show_event(out(), event)}")

    def start(self, session_id: str) -> None:
        command = [sys.executable, __file__, session_id]
        self.agents[session_id] = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)

    def order(self, session_id: str, words: str) -> None:
        stdin = self.agents[session_id].stdin
        assert stdin is not None
        stdin.write(f"{words}\n")
        stdin.flush()

    def happened(self, kind: str, session_id: str) -> bool:
        return any(event.kind == kind and event.session_id == session_id for event in self.events)

    def claim(self, text: str, is_true: Callable[[], bool], within_s: float = 10) -> None:
        """Wait for something to become true, and say whether it did."""
        deadline = time.monotonic() + within_s
        while not (held := is_true()) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.failures += not held
        print(f"  {'✔' if held else '✘ NOT TRUE:'} {text}")

    def show(self) -> None:
        """What a person would type."""
        print("\n$ roost list --all")
        subprocess.run([sys.executable, "-m", "roost", "list", "--all"], check=True)
        print()

    def run(self) -> None:
        print("Three agents start, each in a process of its own:")
        for session_id in AGENTS:
            self.start(session_id)
        for session_id in AGENTS:
            self.claim(f"{session_id} is on the bus", lambda s=session_id: self.happened("session.registered", s))
        self.order("s-claude", "working mend the login form")
        self.order("s-codex", "waiting may I run the migration?")
        self.claim(
            "each sees the two others, and what they do",
            lambda: (
                {(s.session_id, s.status) for s in self.bus.sessions.heartbeat("s-gemini").others}
                == {("s-claude", "working"), ("s-codex", "waiting")}
            ),
        )
        self.show()

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
        self.show()
        expired = [event for event in self.events if event.kind == "session.expired"]
        self.claim("one expiry, one event", lambda: len(expired) == 1)

    def stop(self) -> None:
        for process in self.agents.values():
            process.kill()
            process.wait()
        self.bus.close()


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="roost-demo-") as home:
        os.environ.update(ROOST_HOME=home, ROOST_PROJECT=PROJECT)
        os.environ.pop("ROOST_URL", None)
        demo = Demo()
        try:
            demo.run()
        finally:
            demo.stop()
    print("Everything held." if not demo.failures else f"{demo.failures} claims did not hold.")
    return 1 if demo.failures else 0


if __name__ == "__main__":
    sys.exit(agent(sys.argv[1]) if len(sys.argv) > 1 else main())
