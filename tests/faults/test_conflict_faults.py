"""C3 when the process of a session in a conflict is frozen or killed."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from hallway.bus.local import LocalBus
from hallway.local import presence
from postgres import ON_A_FILE
from support import PATIENCE_S, until


@ON_A_FILE
@pytest.mark.promise("A5", "C3")
def test_a_conflict_ends_when_the_process_of_one_session_is_killed(bus: LocalBus) -> None:
    """Nobody ends the session: its process, which a hook had bound, is not there any more."""
    program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    try:
        for name in ("alice", "bob"):
            bus.sessions.register(name, name, "codex", ttl_s=86_400)
            bus.files.touch(name, ["/src/shop/cart.py"], worktree="host:/src/shop")
        presence.bind(bus.folder, "bob", program.pid)
        program.send_signal(signal.SIGSTOP)  # frozen, it is there, and may go on writing
        assert len(bus.conflicts.find()) == 1
        assert [each.session_id for each in bus.sessions.heartbeat("alice").conflicts] == ["bob"]
    finally:
        program.kill()
        program.wait(timeout=PATIENCE_S)
    until(lambda: bus.sessions.heartbeat("alice").others == [])
    assert bus.sessions.heartbeat("alice").conflicts == []
    assert bus.conflicts.find() == []
    assert [event.data["cause"] for event in bus.events.read(0, kinds=["conflict.settled"])] == ["session_ended"]
