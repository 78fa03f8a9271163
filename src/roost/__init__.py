"""roost: the session bus for AI coding agents.

>>> import roost
>>> with roost.connect() as bus:                                                    # doctest: +SKIP
...     bus.sessions.register("s1", "alice's claude", "claude-code")
...     bus.sessions.heartbeat("s1", current_task="mend the login").others
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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

_HOMES = {
    "Bus": "bus",
    "CollaborationHub": "services.messages",
    "EventLog": "services.events",
    "RoostError": "errors",
    "SessionRegistry": "services.sessions",
    "SharedMemory": "services.memory",
    "TaskBoard": "services.tasks",
    "connect": "bus",
    "resolve_project": "here",
}


def __getattr__(name: str) -> "Any":
    """A public name, imported when it is first asked for: a hook that needs none of them pays for none."""
    if (home := _HOMES.get(name)) is None:
        raise AttributeError(f"module 'roost' has no attribute {name!r}")
    import importlib

    value = globals()[name] = getattr(importlib.import_module(f"roost.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
