"""Waits for events and messages with handlers of its own."""

import sys
import threading

import hallway
from hallway.core.model import Event, Message

seen: list[str] = []
done = threading.Event()


def on_event(event: Event) -> None:
    seen.append(event.kind)


def on_message(message: Message) -> None:
    seen.append(message.subject)
    done.set()


with hallway.connect(sys.argv[1]) as bus:
    bus.sessions.register("s1", "alice's claude", "claude-code")
    bus.sessions.register("s2", "bob's codex", "codex")
    listener = bus.events.on("message.*", on_event)
    handler = bus.messages.register_handler("request", on_message, "s2")
    bus.messages.send("s1", "s2", "request", "review")
    assert done.wait(30)
    handler.close()
    listener.close()
assert "review" in seen
