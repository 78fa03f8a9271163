"""Where your coding agents meet: who is here, on what, and a way to talk.

>>> import hallway
>>> with hallway.connect() as bus:                                                    # doctest: +SKIP
...     bus.sessions.register("s1", "alice's claude", "claude-code")
...     bus.sessions.heartbeat("s1", current_task="mend the login").others
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.bus.base import Bus
    from hallway.bus.connect import connect
    from hallway.core.enums import MemoryType, MessageType, SessionStatus
    from hallway.core.errors import HallwayError
    from hallway.local.workspace import resolve_project
    from hallway.services.events import EventLog
    from hallway.services.memory import SharedMemory
    from hallway.services.messages import CollaborationHub
    from hallway.services.sessions import SessionRegistry
    from hallway.services.tasks import TaskBoard

__version__ = "0.1.0"
__all__ = [
    "Bus",
    "CollaborationHub",
    "EventLog",
    "HallwayError",
    "MemoryType",
    "MessageType",
    "SessionRegistry",
    "SessionStatus",
    "SharedMemory",
    "TaskBoard",
    "connect",
    "resolve_project",
]

_HOMES = {
    "Bus": "bus.base",
    "CollaborationHub": "services.messages",
    "EventLog": "services.events",
    "HallwayError": "core.errors",
    "MemoryType": "core.enums",
    "MessageType": "core.enums",
    "SessionRegistry": "services.sessions",
    "SessionStatus": "core.enums",
    "SharedMemory": "services.memory",
    "TaskBoard": "services.tasks",
    "connect": "bus.connect",
    "resolve_project": "local.workspace",
}


def __getattr__(name: str) -> "Any":
    """Import a public name when it is first used, so that a hook loads only what it uses."""
    if (home := _HOMES.get(name)) is None:
        raise AttributeError(f"module 'hallway' has no attribute {name!r}")
    import importlib

    if home.startswith("services."):
        importlib.import_module("hallway.bus.connect")  # sets `Service.connect`, with which a service opens a bus
    value = globals()[name] = getattr(importlib.import_module(f"hallway.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
