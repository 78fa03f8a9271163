"""Protocols for type checkers: the parts of a bus that services, operations and authorization use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from hallway.core.model import Event, Pruned, Stats
from hallway.core.principal import Principal


class Closable(Protocol):
    """Something that runs until it is closed."""

    def close(self) -> None:
        """Stop it, and return when it has stopped."""


class EventIterator(Iterator[Event], Protocol):
    """Events as they happen, until it is closed."""

    def close(self) -> None:
        """End it, from whichever thread: a thread that waits for the next event gets none."""


class Workspace(Protocol):
    """The caller's project, branch, location and user, the defaults for a new session; and the session that calls."""

    @property
    def project(self) -> str | None: ...
    @property
    def branch(self) -> str | None: ...
    @property
    def location(self) -> str | None: ...
    @property
    def user(self) -> str | None: ...
    @property
    def suggested_name(self) -> str | None: ...
    @property
    def session_id(self) -> str | None: ...


class Context(Protocol):
    """A bus as its services use it. Each service is an attribute, named after its noun."""

    store: Any
    folder: str
    here: Workspace
    principal: Principal | None
    due_sessions: set[str]
    due_edits: set[str]
    is_swept: bool

    @property
    def services(self) -> dict[str, Any]: ...

    is_closed: bool
    look_again_s: float
    sessions: Any
    messages: Any
    requests: Any
    tasks: Any
    events: Any
    memory: Any
    files: Any
    claims: Any
    conflicts: Any
    tokens: Any
    projects: Any
    retention: Any
    imports: Any
    wakes: Any
    logins: Any
    attention: Any
    notifications: Any

    @property
    def changed_topics(self) -> set[str]: ...
    @property
    def visible(self) -> str | None: ...
    @property
    def person(self) -> str | None: ...
    @property
    def own_sessions(self) -> set[str]: ...

    def sees(self, project: str) -> bool: ...
    def project_for(self, named: str | None, session_id: str | None = None) -> str: ...
    def execute(self, operation: Any, service: Any, arguments: dict[str, Any]) -> Any: ...
    def follow(
        self, after: int | None, *, project: str | None, kinds: list[str] | None, timeout_s: float | None
    ) -> EventIterator: ...
    def source_of_events(self, after: int, filters: dict[str, Any]) -> Any: ...
    def subscribe_inbox(self, session_id: str) -> Any: ...
    def subscribe_events(self) -> Any: ...
    def act_as(self, session_id: str) -> None: ...
    def waits_as(self, session_id: str) -> bool: ...
    def on_event(self, kind: str, handler: Callable[[Event], object]) -> Closable: ...
    def on_message(self, session_id: str, types: list[str] | None, handler: Callable[[Any], object]) -> Closable: ...
    def on_session_ended(self, session_id: str, project: str) -> None: ...
    def present_sessions(self) -> set[str]: ...
    def take_pauses(self) -> list[tuple[int, int]]: ...
    def prune(self, older_than_s: int | None = None, keep_bytes: int | None = None) -> Pruned: ...
    def stats(self, project: str | None = None) -> Stats: ...
    def close(self) -> None: ...
