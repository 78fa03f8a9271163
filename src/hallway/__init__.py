"""Where your coding agents meet: who is here, on what, and a way to talk.

>>> import hallway
>>> with hallway.connect() as bus:                                                    # doctest: +SKIP
...     bus.sessions.register("s1", "alice's claude", "claude-code")
...     bus.sessions.heartbeat("s1", current_task="mend the login").others
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hallway.bus import Bus, connect
    from hallway.errors import HallwayError
    from hallway.here import resolve_project
    from hallway.services.events import EventLog
    from hallway.services.memory import SharedMemory
    from hallway.services.messages import CollaborationHub
    from hallway.services.sessions import SessionRegistry
    from hallway.services.tasks import TaskBoard

__version__ = "0.1.0"
__all__ = [
    "Bus", "CollaborationHub", "EventLog", "HallwayError", "SessionRegistry", "SharedMemory", "TaskBoard", "connect",
    "resolve_project",
]  # fmt: skip

_HOMES = {
    "Bus": "bus",
    "CollaborationHub": "services.messages",
    "EventLog": "services.events",
    "HallwayError": "errors",
    "SessionRegistry": "services.sessions",
    "SharedMemory": "services.memory",
    "TaskBoard": "services.tasks",
    "connect": "bus",
    "resolve_project": "here",
}


def __getattr__(name: str) -> "Any":
    """A public name, imported when it is first asked for: a hook that needs none of them pays for none."""
    if (home := _HOMES.get(name)) is None:
        raise AttributeError(f"module 'hallway' has no attribute {name!r}")
    import importlib

    value = globals()[name] = getattr(importlib.import_module(f"hallway.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
