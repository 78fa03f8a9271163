"""roost: the session bus for AI coding agents.

>>> import roost
>>> with roost.connect() as bus:                                                    # doctest: +SKIP
...     bus.sessions.register("s1", "alice's claude", "claude-code")
...     bus.sessions.heartbeat("s1", current_task="mend the login").others
"""

from roost.bus import Bus, connect
from roost.errors import RoostError
from roost.here import resolve_project
from roost.services.events import EventLog
from roost.services.memory import SharedMemory
from roost.services.messages import CollaborationHub
from roost.services.sessions import SessionRegistry
from roost.services.tasks import TaskBoard

__version__ = "0.1.0"
__all__ = [
    "Bus", "CollaborationHub", "EventLog", "RoostError", "SessionRegistry", "SharedMemory", "TaskBoard", "connect",
    "resolve_project",
]  # fmt: skip
