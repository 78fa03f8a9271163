"""The base class of the services: one noun of a bus each, whose public methods are its operations."""

from __future__ import annotations

import os
from os import PathLike

from hallway.core.errors import InvalidInput
from hallway.core.model import PERSON
from hallway.core.schema import Integer, quote_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar, Self

    from hallway.core.context import Context
    from hallway.core.operation import Operation
    from hallway.store import Store


def whole_number_setting(name: str, default: int, kind: Integer | None = None) -> int:
    """Read a whole number from an environment variable; return the default if it is empty or unset.

    Raises InvalidInput for any other text, and for a number outside of the range of `kind`.
    """
    text = os.environ.get(name, "")
    if not text:
        return default
    kind = kind or Integer()
    return kind.check(name, kind.parse(name, text))


def require_callable(handler: object) -> None:
    """Raise InvalidInput for a handler that cannot be called, before a thread is started for it."""
    if not callable(handler):
        raise InvalidInput(
            f"the handler is {quote_value(handler)}, which cannot be called", hint="Pass a function of one argument"
        )


class Service:
    """One noun of a bus, opened with a bus, with another service of that bus, or with a folder or URL.

    A service that was not opened with a bus is standalone: some operations then return None or False for an unknown id
    instead of raising an error. A service works the same on a local bus and through a hub: its operations go through
    `bus.execute`.
    """

    noun: ClassVar[str] = ""
    operations: ClassVar[dict[str, Operation]] = {}
    connect: ClassVar[Callable[[str | PathLike[str] | None], Context]]  # set by bus/connect.py

    prepared: Any = None  # result of the running operation's preparation; writes run one at a time

    def __init__(self, bus: Context | Service | str | PathLike[str] | None = None) -> None:
        self.bus: Context = self._bus_of(bus)
        self.is_standalone = self.bus is not bus

    @staticmethod
    def _bus_of(bus: Context | Service | str | PathLike[str] | None) -> Context:
        if isinstance(bus, Service):
            return bus.bus
        if bus is None or isinstance(bus, (str, PathLike)):
            return Service.connect(bus)
        return bus

    def __init_subclass__(cls, noun: str) -> None:
        cls.noun = noun
        cls.operations = {name: member.operation for name, member in vars(cls).items() if hasattr(member, "operation")}
        for declared in cls.operations.values():
            declared.join(noun)

    @property
    def _store(self) -> Store:
        store: Store = self.bus.store
        return store  # only a local bus has one, and only there do a service's own methods run

    @property
    def _person(self) -> str:
        """Return the address of the caller's person; the bus's owner is whoever runs this program."""
        return self.bus.person or f"{PERSON}{self.bus.here.user or 'owner'}"

    def on_session_ended(self, session_id: str, project: str) -> None:
        """Release what an ended or expired session held, in the same transaction."""

    def is_fresh(self) -> bool:
        """Return whether `Operation.refresh` would change nothing in the open snapshot; False if that is not known."""
        return False

    def prune_old(self, before: int, limit: int) -> int:
        """Remove at most `limit` finished items older than a time; return the number removed."""
        return 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.bus.close()
