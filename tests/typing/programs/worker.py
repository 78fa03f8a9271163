"""Registers, sends, reads an inbox, and remembers."""

import sys

import hallway
from hallway import HallwayError


def work(folder: str) -> list[str]:
    with hallway.connect(folder) as bus:
        bus.sessions.register("s1", "alice's claude", "claude-code", project="github.com/acme/shop")
        bus.sessions.register("s2", "bob's codex", "codex", project="github.com/acme/shop")
        receipt = bus.messages.send("s1", "s2", "request", "review", data={"files": ["shop.py"]})
        subjects = [message.subject for message in bus.messages.inbox("s2")]
        bus.messages.acknowledge("s2", [receipt.message_id])
        version: int = bus.memory.set("s1", "decision/forms", {"one": True}, tags=["forms"]).version
        peers = [peer.agent_name for peer in bus.sessions.heartbeat("s1").others]
        try:
            bus.sessions.get("nobody")
        except HallwayError as error:
            return [*subjects, *peers, str(version), error.code]
    return []


assert work(sys.argv[1]) == ["review", "bob's codex", "1", "session_not_found"]
