"""The services, one for each noun. A service decides; it never renders, and it keeps its rows through the store.

A bus imports a service when it is first used: a hook or a command needs two or three of them, and all of them take as
long to import as an interpreter takes to start. A process that lives for more than a few seconds imports them all.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hallway.services.base import Service

SERVICES = {  # by noun, which is also the name of the module
    "sessions": "SessionRegistry",
    "messages": "CollaborationHub",
    "wakes": "WakeUps",
    "requests": "RequestBook",
    "tasks": "TaskBoard",
    "events": "EventLog",
    "memory": "SharedMemory",
    "files": "FileLog",
    "claims": "ClaimRegistry",
    "conflicts": "ConflictRegistry",
    "tokens": "TokenRegistry",
    "logins": "LoginRegistry",
    "projects": "ProjectRegistry",
    "retention": "Retention",
    "imports": "ImportReceiver",
    "stats": "Statistics",
    "attention": "AttentionList",
    "notifications": "NotificationLog",
}


def service_class(noun: str) -> type[Service]:
    """Return the service of a noun, imported now if it was not; raises KeyError for an unknown noun."""
    name = SERVICES[noun]
    service: type[Service] = getattr(__import__(f"{__name__}.{noun}", fromlist=[name]), name)
    return service


def service_classes() -> list[type[Service]]:
    """Return all services, imported now if they were not."""
    return [service_class(noun) for noun in SERVICES]
